import assert from "node:assert/strict"
import { X509Certificate, createPrivateKey } from "node:crypto"
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, test } from "vitest"
import { readClientConfig, readNodeConfig } from "#net/cluster/config-file.ts"
import { storeOfNames } from "#net/cluster/identity.ts"
import { initCluster, type InitOptions, type MadeCluster } from "#net/cluster/init.ts"
import { orrery } from "../../cli/support/terminal.ts"

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "orrery-init-"))
})

afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})

function init(part: Partial<InitOptions> = {}): Promise<MadeCluster> {
  const directory = join(folder, "c")
  return initCluster({
    directory,
    nodes: 3,
    host: "127.0.0.1",
    basePort: null,
    ranges: 4,
    nowMs: Date.now(),
    ...part,
  })
}

describe("a new cluster", () => {
  test("has a directory for each node, and all of them one birth document", async () => {
    const made = await init()
    const configs = made.stores.map(({ directory }) => readNodeConfig(directory))
    assert.deepEqual(
      configs.map(({ store }) => store),
      [1, 2, 3],
    )
    for (const config of configs) {
      assert.equal(config.cluster, made.cluster)
      assert.deepEqual(config.bootstrap, configs[0]!.bootstrap)
      assert.deepEqual(config.stores, configs[0]!.stores)
    }
    const { groups, stores } = configs[0]!.bootstrap
    assert.equal(new Set(stores.map(({ incarnation }) => incarnation)).size, 3)
    assert.deepEqual(
      groups.map(({ descriptor }) => [descriptor.start, descriptor.end]),
      [
        ["", "9"],
        ["9", "i"],
        ["i", "r"],
        ["r", ""],
      ],
    )
    assert.ok(groups.every(({ configuration }) => configuration.voters.length === 3))
    assert.deepEqual(readClientConfig(made.client).stores, configs[0]!.stores)
  })

  test("keeps its keys to its owner", async () => {
    const { directory } = await init()
    const paths = globSync("**/*", { cwd: directory })
    assert.ok(paths.length > 20)
    for (const path of ["", ...paths]) {
      const found = statSync(join(directory, path))
      assert.equal(found.mode & 0o777, found.isDirectory() ? 0o700 : 0o600, path)
    }
  })

  test("has certificates that its authority signed, each for one store and one use", async () => {
    const made = await init()
    const pem = (...path: readonly string[]): X509Certificate =>
      new X509Certificate(readFileSync(join(made.directory, ...path)))
    const ca = pem("ca", "ca.pem")
    assert.ok(ca.ca)
    const uses: Readonly<Record<string, readonly string[]>> = {
      node: ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"],
      server: ["1.3.6.1.5.5.7.3.1"],
    }
    for (const { store, host } of made.stores) {
      for (const [name, keyUsage] of Object.entries(uses)) {
        const certificate = pem(`node-${store}`, "tls", `${name}.pem`)
        assert.ok(certificate.verify(ca.publicKey) && certificate.checkIssued(ca) && !certificate.ca)
        assert.deepEqual(storeOfNames(certificate.subjectAltName), { cluster: made.cluster, store })
        assert.equal(certificate.checkIP(host), host)
        assert.deepEqual(certificate.keyUsage, keyUsage)
        assert.equal(certificate.publicKey.asymmetricKeyType, name === "node" ? "ed25519" : "ec")
        const key = createPrivateKey(
          readFileSync(join(made.directory, `node-${store}`, "tls", `${name}.key`)),
        )
        assert.ok(certificate.checkPrivateKey(key))
      }
    }
    const client = pem("client", "client.pem")
    assert.ok(client.verify(ca.publicKey))
    assert.deepEqual(client.keyUsage, ["1.3.6.1.5.5.7.3.2"])
    assert.equal(storeOfNames(client.subjectAltName), null)
  })

  test("is never written over another, nor over anything else", async () => {
    const { directory, cluster } = await init()
    await assert.rejects(init(), { name: "ClusterError", code: "clusterExists" })
    assert.equal(readNodeConfig(join(directory, "node-1")).cluster, cluster)
    const other = join(folder, "other")
    mkdirSync(other)
    writeFileSync(join(other, "notes.txt"), "mine")
    await assert.rejects(init({ directory: other }), { code: "clusterExists" })
    assert.deepEqual(globSync("*", { cwd: folder }).toSorted(), ["c", "other"], "nothing half made is left")
  })

  test("takes an empty directory, and as few nodes as one", async () => {
    mkdirSync(join(folder, "c"))
    const { stores } = await init({ nodes: 1, ranges: 1, basePort: 7_000 })
    assert.deepEqual([stores[0]!.peerPort, stores[0]!.clientPort], [7_000, 7_001])
    const { groups } = readNodeConfig(stores[0]!.directory).bootstrap
    assert.equal(groups[0]!.configuration.voters.length, 1)
  })
})

describe("orrery init", () => {
  test("says what was made and what to do next", async () => {
    const { code, stdout } = await orrery(["init", join(folder, "c"), "--ranges", "2"])
    assert.equal(code, 0)
    assert.match(stdout, /store +peers +clients +directory/)
    assert.match(stdout, /next +orrery start .*node-1/)
    assert.ok(existsSync(join(folder, "c", "node-3", "node.json")))
  })

  test("in JSON too", async () => {
    const { code, stdout } = await orrery(["init", join(folder, "c"), "--nodes", "1", "--json"])
    assert.equal(code, 0)
    const made = JSON.parse(stdout) as MadeCluster
    assert.equal(made.stores.length, 1)
  })

  test("refuses what it cannot do, in one line with a code", async () => {
    assert.equal((await orrery(["init", join(folder, "c"), "--nodes", "1"])).code, 0)
    const again = await orrery(["init", join(folder, "c")])
    assert.equal(again.code, 2)
    assert.match(again.stderr, /^orrery: .*holds a cluster already.*\(clusterExists\)\n$/)
    assert.equal((await orrery(["init", join(folder, "d"), "--nodes", "0"])).code, 2)
    assert.equal((await orrery(["init", join(folder, "d"), "--base-port", "65535"])).code, 2)
    const slip = await orrery(["init", join(folder, "d"), "--node", "3"])
    assert.equal(slip.code, 2)
    assert.match(slip.stderr, /did you mean "--nodes"/)
    const nowhere = await orrery(["init", join(folder, "no", "such", "place")])
    assert.equal(nowhere.code, 4)
  })
})
