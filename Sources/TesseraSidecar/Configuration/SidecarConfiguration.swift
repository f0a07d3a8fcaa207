// SPDX-License-Identifier: Apache-2.0

package import Logging
package import Tessera

/// How a sidecar is set up.
package struct SidecarConfiguration: Sendable {
    /// The model: a GGUF file.
    package var model: String
    /// The store's folder.
    package var store: String
    /// How the cache is set up; its namespace is the first tenant's.
    package var cache = ContextCacheOptions()
    /// The Unix socket's path.
    package var socket: String
    /// The group whose members may connect; nil for our own user alone.
    package var socketGroup: String?
    /// The TCP port on 127.0.0.1; nil for none, 0 for a free one.
    package var port: Int?
    /// Who may use the server; the first one is for our own user.
    package var tenants = [Tenant(name: "default", isAdministrator: true)]
    /// Leases of stitched KV.
    package var leases: LeaseOptions
    /// The largest body of a request in JSON, in bytes.
    package var mostBodyBytes = 16 << 20
    /// The largest body of KV that was made elsewhere, in bytes.
    package var mostImportBytes = 256 << 20
    /// The most connections at once.
    package var mostConnections = 1024
    /// Seconds in which a request's body has to be there.
    package var bodySeconds = 60.0
    /// Seconds in which requests, leases and writes are brought to their end after SIGTERM.
    package var shutdownSeconds = 30.0
    /// Tokens of an answer where a chat does not say how many.
    package var answerTokens = 1024
    /// A file that spans are written to; nil for none.
    package var spanFile: String?
    /// Whether prompts may be written to the log.
    package var logsPrompts = false
    /// Where notices go.
    package var logger = Logger(label: "tessera")

    /// Makes a configuration with defaults for all but the places.
    package init(model: String, store: String, socket: String) {
        (self.model, self.store, self.socket) = (model, store, socket)
        leases = LeaseOptions(folder: LeaseOptions.defaultFolder(store: store))
    }
}

/// How leases are kept.
package struct LeaseOptions: Sendable {
    /// Where their files lie: on a tmpfs.
    package var folder: String
    /// The most bytes that they take together.
    package var memory = 256 << 20
    /// Seconds until a lease ends for which nobody said how long it lasts.
    package var usualSeconds = 60.0
    /// The most seconds that anybody may ask for.
    package var mostSeconds = 3600.0
    /// The most leases at once.
    package var mostLeases = 1024

    /// Makes options with defaults for all but the folder.
    package init(folder: String) {
        self.folder = folder
    }
}
