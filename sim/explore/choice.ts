import type { Deviation } from "./scope.ts"

/**
 * What happens next. What is under way stands in a queue in the order in which it was begun, and the plain order takes its
 * head; where a scope asks for all orders, `item` says which is taken.
 */
export type Choice =
  /** It happens: a frame arrives, a disk operation completes, inputs that waited get their turn. */
  | { readonly type: "take"; readonly item: number }
  /** It arrives and waits in the inbox: the store's turn becomes the last of what is under way. */
  | { readonly type: "gather"; readonly item: number }
  /** It becomes the last of what is under way. */
  | { readonly type: "delay" }
  | { readonly type: "drop"; readonly item: number }
  /** It arrives, and once more as the last of what is under way. */
  | { readonly type: "duplicate"; readonly item: number }
  /** The timer that this store waits for fires, late where others were due before. */
  | { readonly type: "tick"; readonly store: number }
  /** Nothing happens for longer than any promise or patience lasts. */
  | { readonly type: "lapse" }
  /** A client sends the next request to this store. */
  | { readonly type: "ask"; readonly store: number }
  /** The power of a store goes; `kept`: what it was appending has arrived. */
  | { readonly type: "crash"; readonly store: number; readonly kept: boolean }
  | { readonly type: "restart"; readonly store: number }
  /** The store is cut off: what others send it, or it sends, is lost; what was under way waits. */
  | { readonly type: "cut"; readonly store: number }
  | { readonly type: "heal" }

/** A choice, and what it takes of the bounds; nothing where it is in the plain order. */
export type Option = { readonly choice: Choice; readonly deviations: readonly Deviation[] }

const NUMBERED = /^(take|gather|drop|duplicate|tick|ask|restart|cut) (\d{1,4})$/

/** One line of a schedule, as `parseChoice` reads it. */
export function choiceText(choice: Choice): string {
  switch (choice.type) {
    case "take":
    case "gather":
    case "drop":
    case "duplicate":
      return `${choice.type} ${choice.item}`
    case "tick":
    case "ask":
    case "restart":
    case "cut":
      return `${choice.type} ${choice.store}`
    case "crash":
      return `crash ${choice.store} ${choice.kept ? "kept" : "lost"}`
    case "delay":
    case "lapse":
    case "heal":
      return choice.type
  }
}

/** Null for what is no choice. */
export function parseChoice(text: string): Choice | null {
  if (text === "delay" || text === "lapse" || text === "heal") return { type: text }
  const crash = /^crash (\d) (kept|lost)$/.exec(text)
  if (crash !== null) return { type: "crash", store: Number(crash[1]), kept: crash[2] === "kept" }
  const match = NUMBERED.exec(text)
  if (match === null) return null
  const number = Number(match[2])
  switch (match[1]) {
    case "take":
      return { type: "take", item: number }
    case "gather":
      return { type: "gather", item: number }
    case "drop":
      return { type: "drop", item: number }
    case "duplicate":
      return { type: "duplicate", item: number }
    case "tick":
      return { type: "tick", store: number }
    case "ask":
      return { type: "ask", store: number }
    case "restart":
      return { type: "restart", store: number }
    default:
      return { type: "cut", store: number }
  }
}
