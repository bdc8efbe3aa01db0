import "reflect-metadata"
import { webcrypto } from "node:crypto"
import * as x509 from "@peculiar/x509"
import type { TlsFiles } from "#net"

const KEYS = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" }
const SPAN = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 86_400_000) }

/** An authority that lives as long as its test. */
export type TestAuthority = {
  /** A certificate for `name`, good for both ends of a connection on loopback, as files of PEM. */
  issue(name: string): Promise<TlsFiles>
}

export async function makeAuthority(name = "test authority"): Promise<TestAuthority> {
  x509.cryptoProvider.set(webcrypto)
  const keys = await webcrypto.subtle.generateKey(KEYS, true, ["sign", "verify"])
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: "01",
    name: `CN=${name}`,
    ...SPAN,
    signingAlgorithm: KEYS,
    keys,
    extensions: [new x509.BasicConstraintsExtension(true, 1, true)],
  })
  let serial = 1
  return {
    async issue(subject) {
      const own = await webcrypto.subtle.generateKey(KEYS, true, ["sign", "verify"])
      const certificate = await x509.X509CertificateGenerator.create({
        serialNumber: String(++serial).padStart(2, "0"),
        subject: `CN=${subject}`,
        issuer: ca.subject,
        ...SPAN,
        signingAlgorithm: KEYS,
        publicKey: own.publicKey,
        signingKey: keys.privateKey,
        extensions: [
          new x509.SubjectAlternativeNameExtension([
            { type: "ip", value: "127.0.0.1" },
            { type: "dns", value: "localhost" },
          ]),
        ],
      })
      const key = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", own.privateKey)).toString("base64")
      const lines = key.match(/.{1,64}/g)!.join("\n")
      return {
        ca: Buffer.from(ca.toString("pem")),
        cert: Buffer.from(certificate.toString("pem")),
        key: Buffer.from(`-----BEGIN PRIVATE KEY-----\n${lines}\n-----END PRIVATE KEY-----\n`),
      }
    },
  }
}
