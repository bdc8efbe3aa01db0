import type { Socket } from "node:net"

/**
 * Ends a socket by RST. One whose FIN is on its way is reset a moment later, when that has left: until then libuv refuses
 * a reset, Node never closes that socket, and the process spins at its end, waiting for it.
 */
export function tear(socket: Socket): void {
  const isShuttingDown = socket.writableEnded && !socket.writableFinished && socket.writableLength === 0
  if (isShuttingDown && !socket.destroyed) socket.once("finish", () => socket.resetAndDestroy())
  else socket.resetAndDestroy()
}
