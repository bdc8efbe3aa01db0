import { randomUUIDv7 } from "node:crypto"
import type { TlsFiles } from "#net"
import { Authority, type Credential } from "#net/cluster/authority.ts"

/** The authority of a cluster that lives as long as its test, and what it signs, for loopback. */
export class TestAuthority {
  readonly cluster: string
  readonly #authority: Authority

  private constructor(authority: Authority) {
    this.#authority = authority
    this.cluster = authority.cluster
  }

  static async make(): Promise<TestAuthority> {
    return new TestAuthority(await Authority.create(randomUUIDv7(), Date.now()))
  }

  /** For the door of a store that clients come to. */
  async listener(store: number): Promise<TlsFiles> {
    return this.#files(await this.#authority.storeListener(store, "127.0.0.1", Date.now()))
  }

  /** For the links of a store to others. */
  async link(store: number): Promise<TlsFiles> {
    return this.#files(await this.#authority.storeLink(store, "127.0.0.1", Date.now()))
  }

  async client(name: string): Promise<TlsFiles> {
    return this.#files(await this.#authority.client(name, Date.now()))
  }

  #files({ certificate, key }: Credential): TlsFiles {
    const ca = this.#authority.credential.certificate
    return { ca: Buffer.from(ca), cert: Buffer.from(certificate), key: Buffer.from(key) }
  }
}
