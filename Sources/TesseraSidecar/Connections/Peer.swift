// SPDX-License-Identifier: Apache-2.0

internal import CSockets
internal import NIOCore
internal import TesseraKV

#if canImport(Glibc)
internal import Glibc
#else
internal import Musl
#endif

/// Who is at the other end of a connection, as the kernel says.
enum Peer: Sendable, Hashable {
    /// A process on this machine, by the user that it runs as.
    case user(uid_t)
    /// Somebody on the loopback network, of whom only a token can tell more.
    case network

    /// Asks the kernel who connected to a Unix socket (`SO_PEERCRED`).
    ///
    /// - Parameter channel: An accepted connection, on its event loop.
    static func ofUnixSocket(_ channel: any Channel) throws -> Peer {
        let uid: uid_t? = try channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(
            of: NIOBSDSocket.Handle.self
        ) { descriptor in
            var uid = uid_t.max
            guard csockets_peer_uid(descriptor, &uid) == 0 else {
                throw IOError(errnoCode: errno, reason: "getsockopt")
            }
            return uid
        }
        guard let uid else { throw ChannelError.operationUnsupported }
        return .user(uid)
    }
}
