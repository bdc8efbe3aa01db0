/**
 * How does a listener for peers take bytes nobody vouches for, from a peer that it has to believe? Whole frames with one
 * to four changes, half of them sealed again, over real mutual TLS: each message on a stream of its own.
 * `node bench/real/fuzz-socket.ts --inputs 1000000 [--seed 1]`. Exits 1 when one does not end in its own way, when a frame
 * that was heard is not one that was sent, or when memory grows.
 */
import { Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js"
import { decodeFrame, encodeFrame, FRAME_VERSION, type Frame } from "#kernel"
import { crc32c } from "#kernel/lib/crc32c.ts"
import { Sfc32 } from "#kernel/lib/rng.ts"
import { GrpcPeerLinks } from "#net"
import { Authority } from "#net/cluster/authority.ts"
import { LANES, opaque, pathOf } from "#net/peer/service.ts"
import { collectGarbage } from "../support/heap.ts"
import { benchOptions } from "../support/report.ts"

const options = benchOptions(import.meta.filename, { inputs: 1_000_000, seed: 1 })
const INPUTS = options.inputs
/** What one process may gain between the first tenth and the end: the collector's slack, not a byte an input. */
const GROWTH_BYTES_MAX = 32 << 20

const authority = await Authority.create("01a1fbe0-5e9b-7086-9e51-348ced124548", Date.now())
const [own, peer] = await Promise.all(
  [1, 2].map((store) => authority.storeLink(store, "127.0.0.1", Date.now())),
)
const ca = authority.credential.certificate
const links = await GrpcPeerLinks.open({
  cluster: authority.cluster,
  store: 1,
  // Nobody listens at the peer's own address: only what it says is of interest.
  stores: [
    { store: 1, host: "127.0.0.1", peerPort: 0, clientPort: 1 },
    { store: 2, host: "127.0.0.1", peerPort: 1, clientPort: 1 },
  ],
  tls: { ca, certificate: own!.certificate, key: own!.key },
})
const heard: Frame[] = []
links.onFrame((frame) => heard.push(frame))

const client = new Client(
  `127.0.0.1:${links.port}`,
  credentials.createSsl(Buffer.from(ca), Buffer.from(peer!.key), Buffer.from(peer!.certificate), {
    checkServerIdentity: () => undefined,
  }),
  {
    "grpc.ssl_target_name_override": "store-1.orrery",
    "grpc.enable_http_proxy": 0,
    "grpc.enable_channelz": 0,
  },
)

function say(lane: (typeof LANES)[number], bytes: Buffer): Promise<string> {
  return new Promise((ended) => {
    const done = (error: ServiceError | null): void => ended(error === null ? "" : error.details)
    const call = client.makeClientStreamRequest(pathOf(lane), opaque, opaque, new Metadata(), done)
    call.on("error", () => {})
    call.write(bytes)
    call.end()
  })
}

const rng = new Sfc32(options.seed, 0)
const good = encodeFrame({
  header: {
    version: FRAME_VERSION,
    cluster: authority.cluster,
    fromStore: 2,
    toStore: 1,
    fromIncarnation: 7,
    fromBoot: 1,
    fromNonce: 1,
    volumes: [{ volume: 1, incarnation: 8 }],
    configEpoch: 0,
    wall: 1,
  },
  messages: [
    { type: "voteReply", group: 1, from: 1, to: 2, term: 3, preVote: true, granted: true },
    { type: "repairAsk", group: 1, from: 1, to: 2, term: 3, nonce: 99 },
  ],
})

/** One to four bytes changed, cut off or put behind; every second time with its length and checksum set right. */
function bent(): Buffer {
  let bytes = Buffer.from(good)
  for (let left = 1 + rng.below(4); left > 0; left--) {
    const at = rng.below(bytes.length)
    const kind = rng.below(8)
    if (kind === 0) bytes = bytes.subarray(0, at)
    else if (kind === 1) bytes = Buffer.concat([bytes, good.subarray(0, at)])
    else bytes[at] = rng.below(256)
    if (bytes.length < 12) break
  }
  if (rng.below(2) === 0 && bytes.length >= 10) {
    bytes.writeUInt32LE(bytes.length - 10, 6)
    bytes.writeUInt32LE(crc32c(bytes, 6, bytes.length), 2)
  }
  return bytes
}

const REFUSED = /^(badFrame|wrongStore|wrongCluster): /
const count = { inputs: 0, refused: 0, heard: 0, wrong: 0 }
let early = 0

function used(): number {
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

const tenth = Math.max(1, Math.floor(INPUTS / 10))
for (; count.inputs < INPUTS; count.inputs++) {
  if (count.inputs === tenth) early = used()
  const bytes = bent()
  const ending = await say(LANES[rng.below(LANES.length)]!, bytes)
  if (ending === "") count.heard++
  else if (REFUSED.test(ending)) count.refused++
  else {
    count.wrong++
    console.error(`ended by "${ending}": ${bytes.toString("hex")}`)
  }
  for (const frame of heard.splice(0)) {
    const again = decodeFrame(encodeFrame(frame))
    const isSent = again !== null && bytes.includes(encodeFrame(again))
    if (isSent && frame.header.fromStore === 2 && frame.header.toStore === 1) continue
    count.wrong++
    console.error(`heard what was not said: ${bytes.toString("hex")}`)
  }
}
const grown = used() - early
console.table({ ...count, "grown KiB": Math.round(grown / 1_024) })
client.close()
await links.close()
if (count.wrong > 0 || grown > GROWTH_BYTES_MAX) process.exitCode = 1
