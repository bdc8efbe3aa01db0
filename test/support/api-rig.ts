import { ClientApi, type AnswerDoor, type RequestDoor, type StatusSource, type TlsFiles } from "#net"
import { TestAuthority } from "../../bench/support/certificates.ts"
import { LiveStore } from "./live-store.ts"

export type Rig = {
  readonly store: LiveStore
  readonly api: ClientApi
  readonly authority: TestAuthority
  readonly clientTls: TlsFiles
  readonly stores: readonly { readonly store: number; readonly host: string; readonly clientPort: number }[]
  close(): void
}

export async function listen(
  store: number,
  door: RequestDoor,
  source: StatusSource,
  tls: TlsFiles,
  cluster: string,
  tenants: readonly number[] = [0],
): Promise<ClientApi> {
  return ClientApi.listen({
    cluster,
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
  const authority = await TestAuthority.make()
  const source = { groups: () => live.status(), status: () => ({ groups: live.status() }) }
  const api = await listen(1, live, source, await authority.listener(1), authority.cluster)
  live.answers = api satisfies AnswerDoor
  return {
    store: live,
    api,
    authority,
    clientTls: await authority.client("someone"),
    stores: [addressOf(1, api)],
    close() {
      void api.close()
      live.close()
    },
  }
}
