// SPDX-License-Identifier: Apache-2.0

/// A client of a sidecar: a cache that `tessera serve` keeps in another process.
///
/// ```swift
/// let client = TesseraClient(socket: "/run/tessera/tessera.sock")
/// let request = ChatRequest(messages: [.init(role: "user", content: "Who owns the mill?")], documents: [.text("…")])
/// print(try await client.chat(request).choices[0].message.content)
/// for try await event in client.streamedChat(request) {
///     print(event.choices.first?.delta.content ?? "", terminator: "")
/// }
/// try await client.shutdown()
/// ```
///
/// Any number of tasks may use one client at once; it keeps connections open between requests. Whoever cancels the task of a
/// request, or leaves the loop over a stream, closes its connection, and the server stops computing.
public struct TesseraClient: Sendable {
    /// What requests go through.
    let transport: Transport

    /// Makes a client of a server on a Unix socket. No connection is made before there is a request.
    ///
    /// - Parameters:
    ///   - path: The socket's path.
    ///   - token: The bearer token, for users who are on no list of the server.
    ///   - options: Timeouts and limits.
    public init(socket path: String, token: String? = nil, options: TesseraClientOptions = .init()) {
        transport = Transport(
            Result { () throws(TesseraClientError) in try ServerAddress(socket: path, token: token) }, options)
    }

    /// Makes a client of a server on a TCP port. No connection is made before there is a request.
    ///
    /// - Parameters:
    ///   - url: Where the server is, such as `http://127.0.0.1:8080`. What is wrong with it shows at the first request.
    ///   - token: The bearer token, as it stands in the server's token file.
    ///   - options: Timeouts and limits.
    public init(url: String, token: String? = nil, options: TesseraClientOptions = .init()) {
        transport = Transport(
            Result { () throws(TesseraClientError) in try ServerAddress(url: url, token: token) }, options)
    }

    /// Closes all connections. Requests under way end with an error of the kind `closed`, as do later ones.
    ///
    /// A client that is let go without this closes its connections too, a little later.
    public func shutdown() async throws(TesseraClientError) {
        try await transport.close()
    }
}
