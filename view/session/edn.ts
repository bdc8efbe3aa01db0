import { INSTANT_NEVER, type Operation } from "#sim"

/**
 * A history as Jepsen keeps one: a map a line, `:invoke` and then `:ok`, `:fail` or `:info`, in order of time (here in
 * nanoseconds), each operation a transaction of micro-operations: `[:r key value]`, `[:w key value]`, `[:append key value]`,
 * `[:cas key [expected value]]`, `[:inc key by]`, `[:delete key nil]`, `[:scan [start end] rows]`. Reads have their values when
 * they have ended. An end that nobody knows comes last. Gives lines.
 */
export function ednLines(history: readonly Operation[]): string[] {
  const events = history.flatMap((op) => [
    { time: op.invokedAt, rank: 0, id: op.id, text: lineOf(op, "invoke", op.invokedAt) },
    { time: op.endedAt, rank: 1, id: op.id, text: lineOf(op, op.outcome, op.endedAt) },
  ])
  events.sort((a, b) => a.time - b.time || a.rank - b.rank || a.id - b.id)
  return events.map(({ text }, index) => `{:index ${index}, ${text}}`)
}

function lineOf(op: Operation, type: string, at: number): string {
  const results = type === "ok" ? op.results : null
  const steps = op.request.map((step, index) => microOf(step, results?.[index] ?? null))
  const time = at === INSTANT_NEVER ? "nil" : `${BigInt(at) * 1_000n}`
  return `:time ${time}, :type :${type}, :process ${op.process}, :f :txn, :value [${steps.join(" ")}]`
}

type Step = Operation["request"][number]
type Result = NonNullable<Operation["results"]>[number]

function microOf(step: Step, result: Result | null): string {
  switch (step.type) {
    case "get":
      return `[:r ${text(step.key)} ${result?.type === "value" && result.value !== null ? text(result.value) : "nil"}]`
    case "put":
      return `[:w ${text(step.key)} ${text(step.value)}]`
    case "append":
      return `[:append ${text(step.key)} ${text(step.value)}]`
    case "delete":
      return `[:delete ${text(step.key)} nil]`
    case "increment":
      return `[:inc ${text(step.key)} ${step.by}]`
    case "cas": {
      const wanted = step.expected === null ? "nil" : text(step.expected)
      const was = result?.type === "swapped" ? ` ${result.swapped}` : ""
      return `[:cas ${text(step.key)} [${wanted} ${text(step.value)}]${was}]`
    }
    case "scan": {
      const rows = result?.type === "rows" ? result.rows : null
      const told =
        rows === null ? "nil" : `[${rows.map(([key, value]) => `[${text(key)} ${text(value)}]`).join(" ")}]`
      return `[:scan [${text(step.start)} ${text(step.end)}] ${told}]`
    }
  }
}

/** A string as every EDN reader takes it: what does not print goes by its number. */
function text(value: string): string {
  let told = ""
  for (const char of value) {
    const code = char.charCodeAt(0)
    if (char === '"' || char === "\\") told += `\\${char}`
    else told += code >= 0x20 && code < 0x7f ? char : `\\u${code.toString(16).padStart(4, "0")}`
  }
  return `"${told}"`
}
