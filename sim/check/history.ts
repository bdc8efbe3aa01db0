/**
 * The history of one run as data: which client asked what and when, and what it heard back.
 *
 * A history leaves as JSON lines, one for a request's start and one for its end, in Jepsen's words, so
 * that a checker which is not ours can judge the same run; the fields that only we need ride along.
 *
 * Not verified here: that a history is plausible (that a client has one request at a time, that results
 * fit their operations). Only its form is.
 */

export type GetOp = { readonly type: "get"; readonly key: string }
export type PutOp = { readonly type: "put"; readonly key: string; readonly value: string }
export type DeleteOp = { readonly type: "delete"; readonly key: string }
/** `expected: null` asks that the key be absent. */
export type CasOp = {
  readonly type: "cas"
  readonly key: string
  readonly expected: string | null
  readonly value: string
}
export type IncrementOp = { readonly type: "increment"; readonly key: string; readonly by: number }
export type AppendOp = { readonly type: "append"; readonly key: string; readonly value: string }
/** The keys of `[start, end)`, at most `limit` rows of them. */
export type ScanOp = {
  readonly type: "scan"
  readonly start: string
  readonly end: string
  readonly limit: number
  readonly reverse: boolean
}
/** An operation on one key. */
export type PointOp = GetOp | PutOp | DeleteOp | CasOp | IncrementOp | AppendOp
export type KvOp = PointOp | ScanOp

/** Answers, one for each operation of a request. Values are latin1, `null` is an absent key. */
export type KvResult =
  | { readonly type: "value"; readonly value: string | null }
  | { readonly type: "done" }
  | { readonly type: "swapped"; readonly swapped: boolean }
  | { readonly type: "count"; readonly value: number }
  | { readonly type: "rows"; readonly rows: readonly (readonly [string, string])[]; readonly more: boolean }

/** The end of a request whose end is not known. */
export const INSTANT_NEVER: number = Number.MAX_SAFE_INTEGER

/**
 * - `ok`: it took effect, once, between `invokedAt` and `endedAt`, with these results.
 * - `fail`: it certainly had no effect.
 * - `info`: nobody knows. It may take effect at any time after `invokedAt`, even after `endedAt`, or never.
 */
export type Outcome = "ok" | "fail" | "info"

/** One request of one client. `results` is null unless `outcome` is `ok`; `commitTs` is 0 when unknown. */
export type Operation = {
  readonly id: number
  readonly process: number
  readonly request: readonly KvOp[]
  readonly invokedAt: number
  readonly endedAt: number
  readonly outcome: Outcome
  readonly results: readonly KvResult[] | null
  readonly commitTs: number
  readonly token: { readonly client: number; readonly seq: number } | null
  readonly retries: number
}

export type ParsedHistory =
  | { readonly type: "history"; readonly operations: readonly Operation[] }
  | { readonly type: "malformed"; readonly line: number; readonly message: string }

/** True of an operation that may change a key, whatever it is answered. */
export function mayWrite(op: KvOp): boolean {
  return op.type !== "get" && op.type !== "scan"
}

/** The order in which histories are told: by start, then by id. */
export function byInvocation(a: Operation, b: Operation): number {
  return a.invokedAt - b.invokedAt || a.id - b.id
}

/**
 * JSON lines in order of time; at one instant starts come before ends, as the checkers read them too: two
 * requests that only touch are concurrent. An end that is not known stands at `INSTANT_NEVER`.
 */
export function writeHistory(operations: readonly Operation[]): string {
  const lines: { time: number; rank: number; id: number; text: string }[] = []
  for (const operation of operations) {
    const { id, process, request, token } = operation
    const f = nameOf(request)
    const key = keyOf(request)
    const started = { process, type: "invoke", f, key, value: askedOf(request), time: operation.invokedAt }
    lines.push({
      time: operation.invokedAt,
      rank: 0,
      id,
      text: JSON.stringify({ ...started, id, request, token }),
    })
    const { outcome, results, commitTs, retries } = operation
    const ended = {
      process,
      type: outcome,
      f,
      key,
      value: heardOf(request, results),
      time: operation.endedAt,
    }
    const text = JSON.stringify({ ...ended, id, results, commitTs, retries })
    lines.push({ time: operation.endedAt, rank: 1, id, text })
  }
  lines.sort((a, b) => a.time - b.time || a.rank - b.rank || a.id - b.id)
  return lines.map((line) => line.text + "\n").join("")
}

/** Reads what `writeHistory` wrote: operations by start, then id. Anything else is refused with its line. */
export function readHistory(text: string): ParsedHistory {
  const starts = new Map<number, Fields>()
  const operations: Operation[] = []
  const lines = text.split("\n")
  if (lines.at(-1) === "") lines.pop()
  for (let i = 0; i < lines.length; i++) {
    try {
      const fields = fieldsOf(JSON.parse(lines[i]!), "the line")
      const id = naturalOf(fields["id"], "id")
      if (fields["type"] === "invoke") {
        if (starts.has(id)) throw new FormError(`operation ${id} starts twice`)
        exactly(fields, STARTED)
        starts.set(id, fields)
      } else {
        exactly(fields, ENDED)
        const started = starts.get(id)
        if (started === undefined) throw new FormError(`operation ${id} ends without a start, or twice`)
        operations.push(operationOf(id, started, fields))
        // Kept as "ended": a second end finds no start, and a second start is still refused.
        starts.set(id, NO_FIELDS)
      }
    } catch (error) {
      if (!(error instanceof FormError) && !(error instanceof SyntaxError)) throw error
      return {
        type: "malformed",
        line: i + 1,
        message: `Cannot read history, line ${i + 1}: ${error.message}`,
      }
    }
  }
  for (const [id, fields] of starts) {
    if (fields === NO_FIELDS) continue
    const message = `Cannot read history: operation ${id} starts and never ends`
    return { type: "malformed", line: lines.length, message }
  }
  return { type: "history", operations: operations.sort(byInvocation) }
}

type Fields = Readonly<Record<string, unknown>>

const NO_FIELDS: Fields = {}
const STARTED = ["process", "type", "f", "key", "value", "time", "id", "request", "token"]
const ENDED = ["process", "type", "f", "key", "value", "time", "id", "results", "commitTs", "retries"]

/** Carries a refusal from the depth of a line to `readHistory`, which turns it into a value. */
class FormError extends Error {}

function operationOf(id: number, started: Fields, ended: Fields): Operation {
  if (started === NO_FIELDS) throw new FormError(`operation ${id} ends without a start, or twice`)
  const request = listOf(started["request"], "request").map(opOf)
  const outcome = ended["type"]
  if (outcome !== "ok" && outcome !== "fail" && outcome !== "info") {
    throw new FormError(`type ${JSON.stringify(outcome)} is none of invoke, ok, fail, info`)
  }
  const results = ended["results"] === null ? null : listOf(ended["results"], "results").map(resultOf)
  if ((outcome === "ok") !== (results !== null)) throw new FormError(`results do not fit type ${outcome}`)
  if (results !== null && results.length !== request.length) {
    throw new FormError(`${results.length} results answer ${request.length} operations`)
  }
  const invokedAt = naturalOf(started["time"], "time")
  const endedAt = naturalOf(ended["time"], "time")
  if (endedAt < invokedAt) throw new FormError(`operation ${id} ends before it starts`)
  if (outcome !== "info" && endedAt === INSTANT_NEVER)
    throw new FormError(`an end without a time is ${outcome}`)
  const process = naturalOf(started["process"], "process")
  if (ended["process"] !== process) throw new FormError(`operation ${id} changes its process`)
  // What outside checkers read must say what we read: the plain fields are derived, never trusted.
  sameJson(started, { f: nameOf(request), key: keyOf(request), value: askedOf(request) })
  sameJson(ended, { f: nameOf(request), key: keyOf(request), value: heardOf(request, results) })
  return {
    id,
    process,
    request,
    invokedAt,
    endedAt,
    outcome,
    results,
    commitTs: naturalOf(ended["commitTs"], "commitTs"),
    token: tokenOf(started["token"]),
    retries: naturalOf(ended["retries"], "retries"),
  }
}

function nameOf(request: readonly KvOp[]): string {
  return request.length === 1 ? request[0]!.type : "txn"
}

function keyOf(request: readonly KvOp[]): string | null {
  const op = request.length === 1 ? request[0]! : null
  return op === null || op.type === "scan" ? null : op.key
}

/** The argument, in the plain `value` of a start. */
function askedOf(request: readonly KvOp[]): unknown {
  if (request.length !== 1) return request
  const op = request[0]!
  switch (op.type) {
    case "get":
    case "delete":
      return null
    case "put":
    case "append":
      return op.value
    case "cas":
      return [op.expected, op.value]
    case "increment":
      return op.by
    case "scan":
      return [op.start, op.end, op.limit, op.reverse]
  }
}

/** The answer, in the plain `value` of an end; an operation that answers nothing repeats its argument. */
function heardOf(request: readonly KvOp[], results: readonly KvResult[] | null): unknown {
  if (results === null) return askedOf(request)
  if (results.length !== 1) return results
  const result = results[0]!
  switch (result.type) {
    case "done":
      return askedOf(request)
    case "value":
    case "count":
      return result.value
    case "swapped":
      return result.swapped
    case "rows":
      return result.rows
  }
}

function opOf(json: unknown): KvOp {
  const fields = fieldsOf(json, "an operation")
  const type = fields["type"]
  switch (type) {
    case "get":
    case "delete":
      exactly(fields, ["type", "key"])
      return { type, key: latin1Of(fields["key"], "key") }
    case "put":
    case "append":
      exactly(fields, ["type", "key", "value"])
      return { type, key: latin1Of(fields["key"], "key"), value: latin1Of(fields["value"], "value") }
    case "cas": {
      exactly(fields, ["type", "key", "expected", "value"])
      const expected = fields["expected"] === null ? null : latin1Of(fields["expected"], "expected")
      return {
        type,
        key: latin1Of(fields["key"], "key"),
        expected,
        value: latin1Of(fields["value"], "value"),
      }
    }
    case "increment":
      exactly(fields, ["type", "key", "by"])
      return { type, key: latin1Of(fields["key"], "key"), by: integerOf(fields["by"], "by") }
    case "scan":
      exactly(fields, ["type", "start", "end", "limit", "reverse"])
      return {
        type,
        start: latin1Of(fields["start"], "start"),
        end: latin1Of(fields["end"], "end"),
        limit: naturalOf(fields["limit"], "limit"),
        reverse: booleanOf(fields["reverse"], "reverse"),
      }
    default:
      throw new FormError(`there is no operation ${JSON.stringify(type)}`)
  }
}

function resultOf(json: unknown): KvResult {
  const fields = fieldsOf(json, "a result")
  const type = fields["type"]
  switch (type) {
    case "value":
      exactly(fields, ["type", "value"])
      return { type, value: fields["value"] === null ? null : latin1Of(fields["value"], "value") }
    case "done":
      exactly(fields, ["type"])
      return { type }
    case "swapped":
      exactly(fields, ["type", "swapped"])
      return { type, swapped: booleanOf(fields["swapped"], "swapped") }
    case "count":
      exactly(fields, ["type", "value"])
      return { type, value: integerOf(fields["value"], "value") }
    case "rows": {
      exactly(fields, ["type", "rows", "more"])
      const rows = listOf(fields["rows"], "rows").map((row) => {
        const pair = listOf(row, "a row")
        if (pair.length !== 2) throw new FormError("a row is not a pair")
        return [latin1Of(pair[0], "key"), latin1Of(pair[1], "value")] as const
      })
      return { type, rows, more: booleanOf(fields["more"], "more") }
    }
    default:
      throw new FormError(`there is no result ${JSON.stringify(type)}`)
  }
}

function tokenOf(json: unknown): Operation["token"] {
  if (json === null) return null
  const fields = fieldsOf(json, "token")
  exactly(fields, ["client", "seq"])
  return { client: naturalOf(fields["client"], "client"), seq: naturalOf(fields["seq"], "seq") }
}

function fieldsOf(json: unknown, what: string): Fields {
  if (typeof json === "object" && json !== null && !Array.isArray(json)) return json as Fields
  throw new FormError(`${what} is not an object`)
}

function listOf(json: unknown, what: string): readonly unknown[] {
  if (Array.isArray(json)) return json
  throw new FormError(`${what} is not a list`)
}

function integerOf(json: unknown, what: string): number {
  if (Number.isSafeInteger(json)) return json as number
  throw new FormError(`${what} is not a safe integer`)
}

function naturalOf(json: unknown, what: string): number {
  const value = integerOf(json, what)
  if (value >= 0) return value
  throw new FormError(`${what} is negative`)
}

function booleanOf(json: unknown, what: string): boolean {
  if (typeof json === "boolean") return json
  throw new FormError(`${what} is neither true nor false`)
}

function latin1Of(json: unknown, what: string): string {
  if (typeof json !== "string") throw new FormError(`${what} is not a string`)
  for (let i = 0; i < json.length; i++) {
    if (json.charCodeAt(i) > 0xff) throw new FormError(`${what} holds a char beyond latin1`)
  }
  return json
}

function exactly(fields: Fields, names: readonly string[]): void {
  for (const name of Object.keys(fields)) {
    if (!names.includes(name)) throw new FormError(`there is no field ${JSON.stringify(name)}`)
  }
  for (const name of names) {
    if (!Object.hasOwn(fields, name)) throw new FormError(`the field ${JSON.stringify(name)} is missing`)
  }
}

function sameJson(fields: Fields, derived: Fields): void {
  for (const [name, value] of Object.entries(derived)) {
    if (JSON.stringify(fields[name]) === JSON.stringify(value)) continue
    throw new FormError(`${name} does not say what the request and its results say`)
  }
}
