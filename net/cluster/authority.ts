import "reflect-metadata"
import { randomBytes, webcrypto } from "node:crypto"
import { isIP } from "node:net"
import * as x509 from "@peculiar/x509"
import type { StoreId } from "#kernel"
import { clientUri, storeUri } from "./identity.ts"

// The authority of one cluster. It signs with P-256, which every client can check; what it signs for the links between
// stores, where both ends are ours, is Ed25519, and for the listener that strangers dial, P-256.

const AUTHORITY_DAYS = 3_650
const LEAF_DAYS = 397
const DAY_MS = 86_400_000
/** A certificate is good from a little before it was made: clocks of a cluster differ. */
const BACKDATE_MS = 600_000
const SERIAL_BYTES = 16

const P256 = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const
const ED25519 = { name: "Ed25519" } as const

/** A certificate and its private key, both PEM. */
export type Credential = { readonly certificate: string; readonly key: string }

type KeyKind = "ed25519" | "p256"

x509.cryptoProvider.set(webcrypto)

/** A key and a certificate that signed itself, of one cluster. Lives as long as the process that makes the cluster. */
export class Authority {
  readonly cluster: string
  readonly credential: Credential
  readonly #certificate: x509.X509Certificate
  readonly #keys: webcrypto.CryptoKeyPair

  private constructor(
    cluster: string,
    credential: Credential,
    certificate: x509.X509Certificate,
    keys: webcrypto.CryptoKeyPair,
  ) {
    this.cluster = cluster
    this.credential = credential
    this.#certificate = certificate
    this.#keys = keys
  }

  /** `nowMs` is the wall clock in milliseconds since 1970. */
  static async create(cluster: string, nowMs: number): Promise<Authority> {
    const keys = await makeKeys("p256")
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      serialNumber: serial(),
      name: `CN=Orrery cluster ${cluster}`,
      notBefore: new Date(nowMs - BACKDATE_MS),
      notAfter: new Date(nowMs + AUTHORITY_DAYS * DAY_MS),
      signingAlgorithm: P256,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
      ],
    })
    const credential = { certificate: pem(certificate), key: await keyPem(keys) }
    return new Authority(cluster, credential, certificate, keys)
  }

  /** For the links between stores: either end of them. */
  storeLink(store: StoreId, host: string, nowMs: number): Promise<Credential> {
    const usages = [x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]
    return this.#issue(
      "ed25519",
      `store-${store}`,
      storeUri(this.cluster, store),
      hostNames(host),
      usages,
      nowMs,
    )
  }

  /** For the listener that clients dial. It names the store too, but cannot be used to dial another one. */
  storeListener(store: StoreId, host: string, nowMs: number): Promise<Credential> {
    const usages = [x509.ExtendedKeyUsage.serverAuth]
    return this.#issue(
      "p256",
      `store-${store}`,
      storeUri(this.cluster, store),
      hostNames(host),
      usages,
      nowMs,
    )
  }

  /** For a client or an operator: it dials, and is never dialled. */
  client(name: string, nowMs: number): Promise<Credential> {
    const usages = [x509.ExtendedKeyUsage.clientAuth]
    return this.#issue("p256", name, clientUri(this.cluster, name), [], usages, nowMs)
  }

  async #issue(
    kind: KeyKind,
    name: string,
    uri: string,
    hosts: readonly x509.JsonGeneralName[],
    usages: readonly x509.ExtendedKeyUsageType[],
    nowMs: number,
  ): Promise<Credential> {
    const keys = await makeKeys(kind)
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: serial(),
      subject: `CN=${name}`,
      issuer: this.#certificate.subject,
      notBefore: new Date(nowMs - BACKDATE_MS),
      notAfter: new Date(nowMs + LEAF_DAYS * DAY_MS),
      signingAlgorithm: P256,
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([...usages], false),
        new x509.SubjectAlternativeNameExtension([{ type: "url", value: uri }, ...hosts], false),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
        await x509.AuthorityKeyIdentifierExtension.create(this.#keys.publicKey, false, webcrypto),
      ],
    })
    return { certificate: pem(certificate), key: await keyPem(keys) }
  }
}

function hostNames(host: string): readonly x509.JsonGeneralName[] {
  return isIP(host) === 0 ? [{ type: "dns", value: host }] : [{ type: "ip", value: host }]
}

async function makeKeys(kind: KeyKind): Promise<webcrypto.CryptoKeyPair> {
  const keys = await webcrypto.subtle.generateKey(kind === "p256" ? P256 : ED25519, true, ["sign", "verify"])
  return keys as webcrypto.CryptoKeyPair
}

/** Positive, as RFC 5280 §4.1.2.2 wants it, and drawn: two authorities of one name never sign the same number. */
function serial(): string {
  const bytes = randomBytes(SERIAL_BYTES)
  bytes[0] = (bytes[0]! & 0x7f) | 0x40
  return bytes.toString("hex")
}

function pem(certificate: x509.X509Certificate): string {
  return `${certificate.toString("pem").trimEnd()}\n`
}

async function keyPem(keys: webcrypto.CryptoKeyPair): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey))
  const lines = der.toString("base64").match(/.{1,64}/g) ?? []
  return `-----BEGIN PRIVATE KEY-----\n${lines.join("\n")}\n-----END PRIVATE KEY-----\n`
}
