import type { Space } from "#kernel/engine/engine.ts"
import type { KvOp, KvReply, KvRequest } from "#kernel/range/request.ts"
import { TxnRig } from "./txn-rig.ts"

export const put = (key: string, value: string): KvOp => ({ type: "put", key, value })
export const get = (key: string): KvOp => ({ type: "get", key })

export function rigWith(rows: Readonly<Record<string, string>>): TxnRig {
  const rig = new TxnRig()
  for (const [key, value] of Object.entries(rows)) rig.put(key, value)
  rig.run()
  rig.plain.length = 0
  rig.pass(10_000)
  return rig
}

export function rowsIn(rig: TxnRig, space: Space): number {
  let rows = 0
  for (const cursor = rig.machine.view.cursor(space, "", "", false); cursor.valid; cursor.next()) rows++
  return rows
}

/** Replies to plain requests since the last time: ids and what was read, or the code. */
export function said(rig: TxnRig): readonly string[] {
  return rig.plain.splice(0).map((reply) => wordOf(reply))
}

export function wordOf(reply: KvReply): string {
  if (reply.type === "error") return reply.error.code
  return reply.results
    .map((result) =>
      result.type === "value"
        ? (result.value ?? "-")
        : result.type === "rows"
          ? result.rows.join(" ")
          : result.type === "count"
            ? String(result.value)
            : "ok",
    )
    .join(",")
}

export function send(rig: TxnRig, ops: readonly KvOp[], more: Partial<KvRequest> = {}): string {
  return wordOf(rig.answer(ops, more))
}
