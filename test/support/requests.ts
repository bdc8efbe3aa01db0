import type { KvOp, KvRequest } from "#kernel"

/** A strong request without a token, unless `more` says otherwise. */
export function requestOf(ops: readonly KvOp[], more: Partial<KvRequest> = {}): KvRequest {
  return {
    id: 1,
    tenant: 0,
    rangeId: 1,
    generation: 1,
    token: null,
    deadlineUs: 0,
    read: "strong",
    readTs: 0,
    txn: null,
    principal: "",
    configEpoch: 0,
    bundleHash: "",
    trace: "",
    ops,
    ...more,
  }
}
