// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOHTTPTypes

/// Sees to it that the head of a request is whole in time: from its first byte on, which comes before there is anything
/// that could be called a request.
///
/// It stands in front of the decoder, and ``RequestClockHandler`` behind it, on one event loop.
final class FirstByteHandler: ChannelInboundHandler {
    typealias InboundIn = NIOAny
    typealias InboundOut = NIOAny

    private let slowRequests: SlowRequests
    private var wait: Int?
    private var awaitsHead = true

    init(_ slowRequests: SlowRequests) {
        self.slowRequests = slowRequests
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if awaitsHead, wait == nil { wait = slowRequests.begin(context.channel) }
        context.fireChannelRead(data)
    }

    func channelInactive(context: ChannelHandlerContext) {
        stop()
        context.fireChannelInactive()
    }

    /// The head is whole.
    func headArrived() {
        awaitsHead = false
        stop()
    }

    /// The request is over; what comes next is another's head.
    func requestEnded() { awaitsHead = true }

    private func stop() {
        if let wait { slowRequests.end(wait) }
        wait = nil
    }
}

/// Tells ``FirstByteHandler`` what the decoder makes of the bytes.
final class RequestClockHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart

    private var clock: FirstByteHandler?

    func handlerAdded(context: ChannelHandlerContext) {
        clock = try? context.pipeline.syncOperations.handler(type: FirstByteHandler.self)
    }

    func handlerRemoved(context: ChannelHandlerContext) { clock = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head: clock?.headArrived()
        case .body: break
        case .end: clock?.requestEnded()
        }
        context.fireChannelRead(data)
    }
}
