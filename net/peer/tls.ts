import { constants } from "node:crypto"
import type { Socket } from "node:net"
import { createSecureContext, type SecureContext, type TlsOptions } from "node:tls"
import { credentials, type ChannelCredentials } from "@grpc/grpc-js"
import type { StoreId } from "#kernel"
import { storeOfNames } from "../cluster/identity.ts"
import { HANDSHAKE_MS } from "./limits.ts"

/** PEM texts: of the cluster's authority, of this store's certificate and of its key. */
export type PeerTls = { readonly ca: string; readonly certificate: string; readonly key: string }

export function dialContext({ ca, certificate, key }: PeerTls): SecureContext {
  return createSecureContext({ ca, cert: certificate, key, minVersion: "TLSv1.3" })
}

export function listenOptions({ ca, certificate, key }: PeerTls): TlsOptions {
  return {
    ca,
    cert: certificate,
    key,
    minVersion: "TLSv1.3",
    requestCert: true,
    rejectUnauthorized: true,
    ALPNProtocols: ["h2"],
    handshakeTimeout: HANDSHAKE_MS,
    // Nobody resumes a session here: every connection proves itself anew.
    secureOptions: constants.SSL_OP_NO_TICKET,
  }
}

/**
 * Credentials for one attempt to reach one store. The certificate is held against the store's name, not against its
 * host: an address may move, and another store that answers there is still another store. `opened` is told the socket
 * before the handshake: gRPC itself lets a connection go politely, which a peer that does not answer never allows.
 */
export function dialCredentials(
  context: SecureContext,
  cluster: string,
  store: StoreId,
  opened: (socket: Socket) => void,
): ChannelCredentials {
  const made = credentials.createFromSecureContext(context, {
    checkServerIdentity: (_host, certificate) => {
      const found = storeOfNames(certificate.subjectaltname)
      if (found === null) return new Error("notAStore: the certificate names no store")
      if (found.cluster !== cluster) return new Error(`wrongCluster: answered by one of ${found.cluster}`)
      if (found.store !== store) return new Error(`wrongStore: store ${found.store} answered for ${store}`)
      return undefined
    },
  })
  const makeConnector = made._createSecureConnector.bind(made)
  made._createSecureConnector = (...parameters) => {
    const connector = makeConnector(...parameters)
    const connect = connector.connect.bind(connector)
    connector.connect = (socket) => {
      opened(socket)
      return connect(socket)
    }
    return connector
  }
  return made
}
