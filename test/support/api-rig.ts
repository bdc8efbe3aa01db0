import { ClientApi, type AnswerDoor, type RequestDoor, type StatusSource, type TlsFiles } from "#net"
import { makeAuthority } from "../../bench/support/certificates.ts"
import { LiveStore } from "./live-store.ts"

export type Rig = {
  readonly store: LiveStore
  readonly api: ClientApi
  readonly clientTls: TlsFiles
  readonly stores: readonly { readonly store: number; readonly host: string; readonly clientPort: number }[]
  close(): void
}

export async function listen(
  store: number,
  door: RequestDoor,
  source: StatusSource,
  tls: TlsFiles,
  tenants: readonly number[] = [0],
): Promise<ClientApi> {
  return ClientApi.listen({
    cluster: "live",
    store,
    tenants,
    host: "127.0.0.1",
    port: 0,
    tls,
    door,
    source,
  })
}

export function addressOf(store: number, api: ClientApi): Rig["stores"][number] {
  return { store, host: "127.0.0.1", clientPort: api.port }
}

/** One store with a real kernel behind a real server on loopback. */
export async function openRig(live: LiveStore = new LiveStore()): Promise<Rig> {
  const authority = await makeAuthority()
  const source = { groups: () => live.status(), status: () => ({ groups: live.status() }) }
  const api = await listen(1, live, source, await authority.issue("node-1"))
  live.answers = api satisfies AnswerDoor
  return {
    store: live,
    api,
    clientTls: await authority.issue("someone"),
    stores: [addressOf(1, api)],
    close() {
      void api.close()
      live.close()
    },
  }
}
