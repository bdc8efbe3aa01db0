import { decodeFrame, encodeFrame, Kernel } from "#kernel"
import type { KernelBuild } from "./kernel-build.ts"

/** The kernel of this checkout. */
export const kernelBuild: KernelBuild = {
  name: "current",
  open: (config, images, boot) => Kernel.open(config, images, boot),
  load: (config, bytes, bases) => Kernel.load(config, bytes, bases),
  encodeFrame,
  decodeFrame,
}
