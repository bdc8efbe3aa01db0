import { plainRequest, type KvOp, type KvRequest } from "#kernel"

const RANGE = { tenant: 0, rangeId: 1, generation: 1 }

/** A strong request without a token, unless `more` says otherwise. */
export function requestOf(ops: readonly KvOp[], more: Partial<KvRequest> = {}): KvRequest {
  return plainRequest(RANGE, ops, { id: 1, ...more })
}
