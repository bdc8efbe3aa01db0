import { isIP } from "node:net"
import { checkServerIdentity, createSecureContext } from "node:tls"
import { ChannelCredentials, ServerCredentials } from "@grpc/grpc-js"

/** PEM texts: the authority both sides trust, and one's own certificate with its key. */
export type TlsFiles = { readonly ca: Buffer; readonly cert: Buffer; readonly key: Buffer }

/** TLS 1.3 and nothing older, both sides proving who they are. */
class MutualTls extends ServerCredentials {
  constructor({ ca, cert, key }: TlsFiles) {
    super({ requestCert: true, rejectUnauthorized: true }, { ca, cert, key, minVersion: "TLSv1.3" })
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other
  }
}

export function serverCredentials(files: TlsFiles): ServerCredentials {
  return new MutualTls(files)
}

/** What a channel needs to reach a server on TLS that is named by its host, be that a name or an address. */
export type SecureTarget = {
  readonly credentials: ChannelCredentials
  readonly options: { readonly "grpc.ssl_target_name_override"?: string }
}

export function secureTarget({ ca, cert, key }: TlsFiles, host: string): SecureTarget {
  const context = createSecureContext({ ca, cert, key, minVersion: "TLSv1.3" })
  if (isIP(host) === 0)
    return { credentials: ChannelCredentials.createFromSecureContext(context), options: {} }
  // TLS asks for servers by name, never by address, and the library would ask by address: another name is sent, and
  // the certificate is held against the address all the same.
  return {
    credentials: ChannelCredentials.createFromSecureContext(context, {
      checkServerIdentity: (_, certificate) => checkServerIdentity(host, certificate),
    }),
    options: { "grpc.ssl_target_name_override": "orrery" },
  }
}
