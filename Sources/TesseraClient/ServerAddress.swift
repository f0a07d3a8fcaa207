// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// Where a server is, and what it is shown.
struct ServerAddress: Sendable, Equatable {
    /// What stands in front of the path of a request's URL.
    let base: String
    /// The socket's path; nil for a server on a TCP port.
    let socket: String?
    /// The bearer token.
    let token: String?

    /// The address of a Unix socket.
    init(socket path: String, token: String?) throws(TesseraClientError) {
        guard !path.isEmpty, !path.utf8.contains(0) else {
            throw TesseraClientError(.invalidInput, "a socket's path is neither empty nor has a NUL in it")
        }
        guard path.utf8.count <= Self.longestPath else {
            throw TesseraClientError(
                .invalidInput,
                "the socket's path \(path) has \(path.utf8.count) bytes, and the system takes \(Self.longestPath); give a shorter one, such as a link to it"
            )
        }
        base = "http+unix://\(path.percentEncoded)"
        socket = path
        self.token = try Self.checked(token)
    }

    /// The address of a TCP port.
    init(url: String, token: String?) throws(TesseraClientError) {
        guard let parts = URLComponents(string: url), ["http", "https"].contains(parts.scheme?.lowercased()),
            parts.host?.isEmpty == false, parts.user == nil, parts.password == nil, parts.query == nil,
            parts.fragment == nil
        else {
            // What has an @ in it may have a password in front of it.
            let given = url.contains("@") ? "one with a user in it" : "\"\(url)\""
            throw TesseraClientError(
                .invalidInput, "a server's URL looks like http://127.0.0.1:8080, and not like \(given)")
        }
        base = String(url.reversed().drop { $0 == "/" }.reversed())
        socket = nil
        self.token = try Self.checked(token)
    }

    /// What people call it.
    var name: String { socket ?? base }

    /// Bytes of a path, so that it fits into `sockaddr_un` with its end.
    private static let longestPath = 107

    /// A token without the space around it that files have; errors don't show it.
    private static func checked(_ token: String?) throws(TesseraClientError) -> String? {
        guard let token else { return nil }
        let trimmed = token.trimmingCharacters(in: .whitespacesAndNewlines)
        guard !trimmed.isEmpty, trimmed.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            throw TesseraClientError(
                .invalidInput, "a bearer token is one word of ASCII; give what stands in the server's token file")
        }
        return trimmed
    }
}
