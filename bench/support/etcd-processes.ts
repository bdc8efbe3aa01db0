/** Debian's etcd: three members on loopback, as they come, and a client of what the bench needs of its protocol. */
import { execFileSync } from "node:child_process"
import { accessSync, constants, mkdirSync } from "node:fs"
import { createServer, type AddressInfo } from "node:net"
import { join } from "node:path"
import { credentials, Client as GrpcClient } from "@grpc/grpc-js"
import { BYTES, WireWriter } from "#net/api/wire.ts"
import type { LoadConnection } from "./closed-loop.ts"
import { MeasuredProcess, waitFor } from "./node-processes.ts"

/**
 * The program: the one that is installed, or the distribution's package unpacked beside the data, which starts no service
 * and changes nothing of this machine. Null with a reason where there is none.
 */
export function findEtcd(directory: string): { readonly path: string } | { readonly reason: string } {
  for (const folder of (process.env["PATH"] ?? "").split(":")) {
    const path = join(folder, "etcd")
    try {
      accessSync(path, constants.X_OK)
      return { path }
    } catch {
      // Not there.
    }
  }
  try {
    const cwd = join(directory, "package")
    mkdirSync(cwd)
    execFileSync("apt-get", ["download", "etcd-server"], { cwd, stdio: "pipe" })
    execFileSync("sh", ["-c", "dpkg-deb -x etcd-server_*.deb ."], { cwd, stdio: "pipe" })
    return { path: join(cwd, "usr/bin/etcd") }
  } catch (error) {
    return { reason: error instanceof Error ? error.message.trim() : String(error) }
  }
}

async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports = servers.map(
    (server) =>
      new Promise<number>((resolve) => {
        server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port))
      }),
  )
  const found = await Promise.all(ports)
  await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))))
  return found
}

export class EtcdProcesses {
  readonly processes: readonly MeasuredProcess[]
  readonly #ports: readonly number[]

  private constructor(processes: readonly MeasuredProcess[], ports: readonly number[]) {
    this.processes = processes
    this.#ports = ports
  }

  /** A leader answers when it resolves. Nothing is set but names, places and addresses: it syncs, as it does by default. */
  static async start(program: string, directory: string): Promise<EtcdProcesses> {
    const ports = await freePorts(6)
    const peerOf = (i: number): string => `http://127.0.0.1:${ports[3 + i]}`
    const initial = [0, 1, 2].map((i) => `m${i}=${peerOf(i)}`).join(",")
    const processes = [0, 1, 2].map((i) => {
      const client = `http://127.0.0.1:${ports[i]}`
      const flags = {
        name: `m${i}`,
        "data-dir": join(directory, `etcd-${i}`),
        "listen-client-urls": client,
        "advertise-client-urls": client,
        "listen-peer-urls": peerOf(i),
        "initial-advertise-peer-urls": peerOf(i),
        "initial-cluster": initial,
        "initial-cluster-state": "new",
        "log-level": "warn",
        logger: "zap",
        "quota-backend-bytes": String(8 * 2 ** 30),
      }
      const args = Object.entries(flags).map(([name, value]) => `--${name}=${value}`)
      return new MeasuredProcess(program, args, join(directory, `etcd-${i}.log`))
    })
    const etcd = new EtcdProcesses(processes, ports)
    await etcd.leader()
    return etcd
  }

  /** Index of the member that leads. */
  leader(): Promise<number> {
    const look = async (): Promise<number | null> => {
      for (let i = 0; i < 3; i++) {
        const client = this.#client(i)
        try {
          const [member, leader] = readStatus(
            await call(client, "/etcdserverpb.Maintenance/Status", Buffer.alloc(0)),
          )
          if (leader !== "0" && member === leader) return i
        } catch {
          // Not up yet.
        } finally {
          client.close()
        }
      }
      return null
    }
    return waitFor("etcd has a leader", look, this.processes)
  }

  connect(member: number): LoadConnection {
    const client = this.#client(member)
    return {
      put: (key, value) => call(client, "/etcdserverpb.KV/Put", encodePut(key, value)),
      get: (key) => call(client, "/etcdserverpb.KV/Range", encodeRange(key)),
      close: () => client.close(),
    }
  }

  #client(member: number): GrpcClient {
    return new GrpcClient(`127.0.0.1:${this.#ports[member]}`, credentials.createInsecure(), {
      "grpc.use_local_subchannel_pool": 1,
      "grpc.enable_retries": 0,
      "grpc.enable_channelz": 0,
      "grpc.service_config_disable_resolution": 1,
    })
  }

  async end(): Promise<void> {
    await Promise.all(this.processes.map((one) => one.end()))
  }
}

const same = (message: Buffer): Buffer => message

function call(client: GrpcClient, path: string, message: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, same, same, message, (error, reply) => {
      if (reply !== undefined) resolve(reply)
      else reject(error ?? new Error("etcd gave nothing"))
    })
  })
}

// Of etcd's rpc.proto: what is read or written here and no more.

const bytesField = (field: number): number => field * 8 + BYTES

/** PutRequest: key = 1, value = 2. */
function encodePut(key: string, value: Buffer): Buffer {
  return Buffer.concat([lengthOf(1, key.length), Buffer.from(key), lengthOf(2, value.length), value])
}

/** RangeRequest: key = 1; `serializable` left out: the read is linearizable. */
function encodeRange(key: string): Buffer {
  const writer = new WireWriter(64)
  writer.latin1(bytesField(1), key)
  return writer.finish()
}

/** Tag and length of up to two bytes of a field of bytes. */
function lengthOf(field: number, length: number): Buffer {
  const bytes = length < 128 ? [length] : [(length & 127) | 128, length >>> 7]
  return Buffer.from([bytesField(field), ...bytes])
}

/** StatusResponse: header = 1 with member_id = 2, leader = 4, both 64 bits; as text, for numbers this long. */
function readStatus(message: Buffer): readonly [string, string] {
  let member = "0"
  let leader = "0"
  const read = (bytes: Buffer, isHeader: boolean): void => {
    for (let at = 0; at < bytes.length;) {
      let value: bigint
      ;[value, at] = varint(bytes, at)
      const field = Number(value >> 3n)
      const type = Number(value & 7n)
      ;[value, at] = varint(bytes, at)
      if (type === BYTES) {
        if (!isHeader && field === 1) read(bytes.subarray(at, at + Number(value)), true)
        at += Number(value)
      } else if (isHeader && field === 2) member = String(value)
      else if (!isHeader && field === 4) leader = String(value)
    }
  }
  read(message, false)
  return [member, leader]
}

function varint(bytes: Buffer, from: number): readonly [bigint, number] {
  let value = 0n
  let at = from
  for (let shift = 0n; ; shift += 7n) {
    const byte = bytes[at++]
    if (byte === undefined) throw new Error("etcd gave a message that breaks off")
    value |= BigInt(byte & 127) << shift
    if (byte < 128) return [value, at]
  }
}
