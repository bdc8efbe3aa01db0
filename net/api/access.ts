import { Metadata, status as Status, type ServiceError } from "@grpc/grpc-js"
import type { PeerCertificate } from "node:tls"
import { clientOfNames, type ClientIdentity } from "../cluster/identity.ts"

// Who may call what. The handshake has shown that the authority of this cluster signed the caller's certificate; what it
// was signed for is seen here, on every call.

/** Why a caller is turned away: it is nobody's client, another cluster's, or not an operator. All are final. */
export type AccessCode = "notAClient" | "wrongCluster" | "notPermitted"

const ACCESS_CODES: readonly AccessCode[] = ["notAClient", "wrongCluster", "notPermitted"]

const WORDS: Readonly<Record<AccessCode, string>> = {
  notAClient: "the certificate names no client",
  wrongCluster: "the certificate is of another cluster",
  notPermitted: "only an operator gives orders",
}

/** A call as gRPC gives it to its handler. */
type Call = { getAuthContext(): { sslPeerCertificate?: PeerCertificate } }

/** Whose call it is, or why nobody's who may make it. */
export function callerOf(
  call: Call,
  cluster: string,
  needs: ClientIdentity["role"],
): ClientIdentity | AccessCode {
  const found = clientOfNames(call.getAuthContext().sslPeerCertificate?.subjectaltname)
  if (found === null) return "notAClient"
  if (found.cluster !== cluster) return "wrongCluster"
  if (needs === "operator" && found.role !== "operator") return "notPermitted"
  return found
}

/** A refusal as gRPC's status. */
export function refusalOf(code: AccessCode): Pick<ServiceError, "code" | "details" | "metadata"> {
  return { code: Status.PERMISSION_DENIED, details: `${code}: ${WORDS[code]}`, metadata: new Metadata() }
}

/** The code in a status, as the client reads it; null when it was no refusal of this kind. */
export function accessCodeOf(
  error: { readonly code?: number; readonly details?: string } | null,
): AccessCode | null {
  if (error?.code !== Status.PERMISSION_DENIED) return null
  const code = error.details?.split(":")[0]
  return ACCESS_CODES.find((known) => known === code) ?? null
}
