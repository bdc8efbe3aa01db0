/**
 * A number or string that carries its meaning in its type: a `LogIndex` will not pass for a `Term`.
 *
 * The mark is optional, so a plain literal or the result of an addition is accepted where a brand is
 * wanted, while two different brands never mix. That keeps arithmetic free of casts and still refuses
 * the mistake that matters, an argument in the wrong place.
 */
export type Brand<Base, Name extends string> = Base & { readonly __brand?: Name }
