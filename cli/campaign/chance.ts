/** What could have happened by chance, exactly: no approximation is good in the tails, where verdicts are. */

const LOG_FACTORIALS: number[] = [0]

function logFactorial(n: number): number {
  for (let i = LOG_FACTORIALS.length; i <= n; i++) LOG_FACTORIALS.push(LOG_FACTORIALS[i - 1]! + Math.log(i))
  return LOG_FACTORIALS[n]!
}

/** The logarithm of how many ways there are to choose `k` of `n`. */
export function logChoose(n: number, k: number): number {
  return logFactorial(n) - logFactorial(k) - logFactorial(n - k)
}

/**
 * How likely at most `hits` of `runs` are, when each is a hit with chance `rate` (the binomial distribution). Where runs
 * differ in their chances and `rate` is their mean, it is no more likely than this, as long as `hits` is one
 * or more below what is expected (Hoeffding, 1956). From what is expected on it is 1: nothing is missing.
 */
export function atMostProbability(hits: number, runs: number, rate: number): number {
  if (hits >= runs * rate) return 1
  if (rate >= 1) return 0
  const logHit = Math.log(rate)
  const logMiss = Math.log1p(-rate)
  let sum = 0
  // Below the mean each term is larger than the one before: the small ones first, so that none is lost in the sum.
  for (let k = 0; k <= hits; k++) sum += Math.exp(logChoose(runs, k) + k * logHit + (runs - k) * logMiss)
  return Math.min(1, sum)
}

/**
 * Holm's correction for as many questions as were asked at once: the smallest is held against the strictest
 * bound. Gives what each comes to, in the order in which they came, to be held against one and the same bound.
 */
export function corrected(probabilities: readonly number[]): readonly number[] {
  const order = probabilities.map((_, index) => index)
  order.sort((a, b) => probabilities[a]! - probabilities[b]! || a - b)
  const all: number[] = []
  let largest = 0
  for (const [rank, index] of order.entries()) {
    largest = Math.max(largest, Math.min(1, probabilities[index]! * (order.length - rank)))
    all[index] = largest
  }
  return all
}
