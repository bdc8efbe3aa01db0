import { Server, type ServerDuplexStream } from "@grpc/grpc-js"
import type { KvReply, KvRequest } from "#kernel"
import { ClientApi, type RequestDoor, type TlsFiles } from "#net"
import { serverCredentials } from "#net/api/tls.ts"

// The other process of api.ts: a client API with a door that answers at once, and a bare echo stream beside it.

const bytes = (message: Buffer): Buffer => message

type Told = { readonly cluster: string; readonly tls: { readonly [name in keyof TlsFiles]: string } }

/** Answers what came in one turn in the next, as a store would after its sync. */
class EchoDoor implements RequestDoor {
  api!: ClientApi
  #waiting: (readonly [number, KvRequest])[] = []

  request(session: number, request: KvRequest): void {
    if (this.#waiting.length === 0) setImmediate(this.#answer)
    this.#waiting.push([session, request])
  }
  admin(): void {}

  readonly #answer = (): void => {
    const waiting = this.#waiting
    this.#waiting = []
    for (const [session, { id }] of waiting) {
      const reply: KvReply = {
        type: "ok",
        id,
        commitTs: 1_000_000 + id,
        results: [{ type: "done" }],
        answer: null,
      }
      this.api.reply(session, reply)
    }
  }
}

process.once("message", (told: Told) => {
  void (async () => {
    const tls = {
      ca: Buffer.from(told.tls.ca),
      cert: Buffer.from(told.tls.cert),
      key: Buffer.from(told.tls.key),
    }
    const door = new EchoDoor()
    const options = { cluster: told.cluster, store: 1, tenants: [0], host: "127.0.0.1", port: 0, tls, door }
    door.api = await ClientApi.listen({ ...options, source: { groups: () => [], status: () => ({}) } })
    const bare = new Server()
    const echo = { requestSerialize: bytes, requestDeserialize: bytes }
    const method = { path: "/bench/Echo", requestStream: true, responseStream: true, ...echo }
    bare.addService(
      { echo: { ...method, responseSerialize: bytes, responseDeserialize: bytes } },
      {
        echo: (call: ServerDuplexStream<Buffer, Buffer>) => {
          call.on("data", (message: Buffer) => call.write(message))
          call.on("end", () => call.end())
        },
      },
    )
    const credentials = serverCredentials(tls)
    bare.bindAsync("127.0.0.1:0", credentials, (_, port) => {
      process.send!({ api: door.api.port, bare: port })
    })
    process.on("message", () => process.send!({ cpu: process.cpuUsage() }))
    process.on("disconnect", () => process.exit())
  })()
})
