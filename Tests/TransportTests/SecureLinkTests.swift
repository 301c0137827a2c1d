import Cryptography
import LoopbackServer
import Primitives
import Testing
import Transport

private func identity(_ fill: UInt8) throws -> Ed25519.PrivateKey {
    try #require(Ed25519.PrivateKey(seed: [UInt8](repeating: fill, count: 32)))
}

/// Collects the reasons a listener gives for turning connections away.
private struct Refusals {
    let stream: AsyncStream<SecureLinkError>
    let report: @Sendable (SecureLinkError) -> Void

    init() {
        let (stream, continuation) = AsyncStream.makeStream(of: SecureLinkError.self)
        self.stream = stream
        report = { continuation.yield($0) }
    }

    func next() async -> SecureLinkError? {
        var iterator = stream.makeAsyncIterator()
        return await iterator.next()
    }
}

@Suite(.timeLimit(.minutes(10)))
struct SecureLinkTests {
    private func pair(
        options: SecureLinkOptions = SecureLinkOptions()
    ) async throws -> (left: SecureLink, right: SecureLink, listener: SecureListener) {
        let listener = try await SecureListener.bind(identity: try identity(2), options: options)
        let left = try await SecureLink.connect(
            host: "127.0.0.1", port: listener.port, identity: try identity(1),
            expecting: try identity(2).publicKey, options: options)
        let right = try #require(await listener.accept())
        return (left, right, listener)
    }

    @Test func bothSidesKnowEachOtherAndFramesArriveWhole() async throws {
        let (left, right, _) = try await pair()
        #expect(left.peer == (try identity(2)).publicKey)
        #expect(right.peer == (try identity(1)).publicKey)
        for size in [0, 1, 17, 65_535, 65_536, 3 << 20] {
            let frame = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            try await left.send(frame)
            #expect(try await right.receive() == frame)
            try await right.send(frame)
            #expect(try await left.receive() == frame)
        }
    }

    @Test func closingDeliversWhatWasSentAndThenEnds() async throws {
        let (left, right, _) = try await pair()
        for number in 0..<100 { try await left.send([UInt8(number)]) }
        left.close()
        left.close()
        var seen: [UInt8] = []
        for try await frame in right.frames { seen += frame }
        #expect(seen == (0..<100).map { UInt8($0) })
        #expect(try await left.receive() == nil)
        await #expect(throws: SecureLinkError.closed) { try await left.send([1]) }
        await #expect(throws: SecureLinkError.closed) { try await right.send([1]) }
    }

    @Test func aFastSenderWaitsForASlowReaderAndNothingIsLost() async throws {
        var options = SecureLinkOptions()
        options.bufferedBytes = 20_000
        let (left, right, _) = try await pair(options: options)
        let count = 600
        let sender = Task {
            for number in 0..<count {
                var frame = [UInt8](repeating: 0, count: 4_096)
                frame[0] = UInt8(truncatingIfNeeded: number)
                frame[4_095] = UInt8(truncatingIfNeeded: number >> 8)
                try await left.send(frame)
            }
            left.close()
        }
        var number = 0
        for try await frame in right.frames {
            #expect(Int(frame[0]) | Int(frame[4_095]) << 8 == number)
            number += 1
            if number.isMultiple(of: 50) { for _ in 0..<20 { await Task.yield() } }
        }
        try await sender.value
        #expect(number == count)
    }

    @Test func framesOverTheLimitAreRefusedAndTheLinkLives() async throws {
        var options = SecureLinkOptions()
        options.maximumFrame = 1_000
        let (left, right, _) = try await pair(options: options)
        await #expect(throws: SecureLinkError.badLength(1_001)) {
            try await left.send([UInt8](repeating: 0, count: 1_001))
        }
        try await left.send([UInt8](repeating: 7, count: 1_000))
        #expect(try await right.receive()?.count == 1_000)
    }

    @Test func theWrongPeerIsRefused() async throws {
        let refusals = Refusals()
        let listener = try await SecureListener.bind(
            identity: try identity(2), onRefused: refusals.report)
        let stranger = try identity(2).publicKey
        await #expect(throws: SecureLinkError.handshake(.unexpectedPeer(stranger))) {
            _ = try await SecureLink.connect(
                host: "127.0.0.1", port: listener.port, identity: try identity(1),
                expecting: try identity(3).publicKey)
        }
        guard case .cut = await refusals.next() else {
            Issue.record("the listener must notice that the caller left")
            return
        }
    }

    @Test func nobodyListening() async throws {
        let port = try TCPServer.closedPort()
        let error = await #expect(throws: SecureLinkError.self) {
            _ = try await SecureLink.connect(
                host: "127.0.0.1", port: port, identity: try identity(1), expecting: nil)
        }
        guard case .couldNotConnect = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    /// What strangers say first, and why they are turned away. The listener serves on afterwards.
    @Test(arguments: [
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", SecureLinkError.handshake(.notThisProtocol)),
        ("\u{0}", .handshake(.notThisProtocol)),
        ("EXQLINK2", .handshake(.notThisProtocol)),
        ("EXQLINK1" + String(repeating: "\u{0}", count: 32), .handshake(.badEphemeralKey)),
        ("EXQLINK1" + String(repeating: "x", count: 33), .handshake(.wrongLength)),
        (String(repeating: "EXQLINK1", count: 10_000), .handshake(.wrongLength)),
    ])
    func garbageIsTurnedAway(text: String, reason: SecureLinkError) async throws {
        let refusals = Refusals()
        let listener = try await SecureListener.bind(
            identity: try identity(2), onRefused: refusals.report)
        let stranger = try TCPConnection.connect(port: listener.port)
        stranger.write(text)
        #expect(await refusals.next() == reason)
        let link = try await SecureLink.connect(
            host: "127.0.0.1", port: listener.port, identity: try identity(1), expecting: nil)
        #expect(await listener.accept()?.peer == (try identity(1)).publicKey)
        link.close()
    }

    @Test func aForgedLastMessageIsTurnedAway() async throws {
        let refusals = Refusals()
        let listener = try await SecureListener.bind(
            identity: try identity(2), onRefused: refusals.report)
        let stranger = try TCPConnection.connect(port: listener.port)
        let initiator = SecureInitiator(
            identity: try identity(1), ephemeral: Entropy.bytes(32), expecting: nil)
        stranger.write(initiator.hello)
        _ = stranger.readExactly(SecureInitiator.replyBytes)
        stranger.write([UInt8](repeating: 1, count: SecureResponder.finishBytes))
        #expect(await refusals.next() == .handshake(.notAuthenticated))
    }

    @Test func aSilentStrangerIsTurnedAway() async throws {
        let refusals = Refusals()
        var options = SecureLinkOptions()
        options.handshakeTimeout = .milliseconds(50)
        let listener = try await SecureListener.bind(
            identity: try identity(2), options: options, onRefused: refusals.report)
        let stranger = try TCPConnection.connect(port: listener.port)
        stranger.write("EXQLINK1")
        #expect(await refusals.next() == .handshakeTimedOut)
        #expect(stranger.read().isEmpty)
    }

    @Test func aServerThatTalksNonsenseIsLeft() async throws {
        let server = try TCPServer { connection in
            connection.write([UInt8](repeating: 9, count: 144))
            _ = connection.read()
        }
        await #expect(throws: SecureLinkError.handshake(.notAuthenticated)) {
            _ = try await SecureLink.connect(
                host: "127.0.0.1", port: server.port, identity: try identity(1), expecting: nil)
        }
        let chatty = try TCPServer { connection in
            connection.write([UInt8](repeating: 9, count: 145))
            _ = connection.read()
        }
        await #expect(throws: SecureLinkError.handshake(.wrongLength)) {
            _ = try await SecureLink.connect(
                host: "127.0.0.1", port: chatty.port, identity: try identity(1), expecting: nil)
        }
    }

    /// After an honest handshake: each line of bytes ends the link with its own error.
    @Test(arguments: [
        ([0xff, 0xff, 0xff, 0xff], SecureLinkError.badLength(0xffff_ffff - 17)),
        ([16, 0, 0, 0], .badLength(-1)),
        ([18, 0, 0, 0] + [UInt8](repeating: 5, count: 18), .channel(.brokenRecord)),
    ])
    func garbageFramesEndTheLink(bytes: [UInt8], reason: SecureLinkError) async throws {
        let listener = try await SecureListener.bind(identity: try identity(2))
        let stranger = try TCPConnection.connect(port: listener.port)
        let initiator = SecureInitiator(
            identity: try identity(1), ephemeral: Entropy.bytes(32), expecting: nil)
        stranger.write(initiator.hello)
        let finish = try initiator.finish(
            reply: stranger.readExactly(SecureInitiator.replyBytes))
        stranger.write(finish.message)
        let link = try #require(await listener.accept())
        var channel = finish.takeChannel()
        let good = try channel.seal([42])
        stranger.write([UInt8(good.count), 0, 0, 0] + good + bytes)
        #expect(try await link.receive() == [42])
        await #expect(throws: reason) { _ = try await link.receive() }
        #expect(stranger.read().isEmpty)
    }

    @Test func aCutIsNotAnEnd() async throws {
        let listener = try await SecureListener.bind(identity: try identity(2))
        let stranger = try TCPConnection.connect(port: listener.port)
        let initiator = SecureInitiator(
            identity: try identity(1), ephemeral: Entropy.bytes(32), expecting: nil)
        stranger.write(initiator.hello)
        let finish = try initiator.finish(
            reply: stranger.readExactly(SecureInitiator.replyBytes))
        stranger.write(finish.message)
        let link = try #require(await listener.accept())
        stranger.close()
        let error = await #expect(throws: SecureLinkError.self) { _ = try await link.receive() }
        guard case .cut = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test func aListenerKeepsOnlySoManyLinks() async throws {
        var options = SecureLinkOptions()
        options.maximumLinks = 1
        let (left, right, listener) = try await pair(options: options)
        await #expect(throws: SecureLinkError.self) {
            _ = try await SecureLink.connect(
                host: "127.0.0.1", port: listener.port, identity: try identity(1), expecting: nil)
        }
        try await left.send([1])
        #expect(try await right.receive() == [1])
    }

    @Test func aClosedListenerEndsItsLinksSequence() async throws {
        let listener = try await SecureListener.bind(identity: try identity(2))
        listener.close()
        #expect(await listener.accept() == nil)
        for await _ in listener.links { Issue.record("nobody connected") }
    }

    @Test func entropyIsOfTheLengthAskedForAndDiffers() {
        #expect(Entropy.bytes(0).isEmpty && Entropy.bytes(13).count == 13)
        #expect(Entropy.bytes(32) != Entropy.bytes(32))
    }
}
