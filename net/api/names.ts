/** Calls of the service in orrery.proto. */
export const PATHS = {
  session: "/orrery.v1.Orrery/Session",
  locate: "/orrery.v1.Orrery/Locate",
  status: "/orrery.v1.Orrery/Status",
  admin: "/orrery.v1.Orrery/Admin",
} as const

/** Metadata of a call: the client says its tenant (0 when it does not), a session's server the rest. */
export const METADATA = {
  tenant: "orrery-tenant",
  cluster: "orrery-cluster",
  store: "orrery-store",
  inFlightMax: "orrery-in-flight-max",
} as const
