import Cryptography
import Primitives
import Testing

struct SecureChannelTests {
    private let secretA = [UInt8](repeating: 3, count: 32)
    private let secretB = [UInt8](repeating: 4, count: 32)

    private func start(
        expecting: PublicKey? = nil
    ) throws -> (initiator: SecureInitiator, responder: SecureResponder) {
        let initiator = SecureInitiator(
            identity: try ed25519(1), ephemeral: secretA, expecting: expecting)
        let responder = try SecureResponder(
            identity: try ed25519(2), ephemeral: secretB, hello: initiator.hello)
        return (initiator, responder)
    }

    /// The bytes an independent implementation (PyNaCl, following docs/reference/wire.md) makes of
    /// the seeds 01.. and 02.. and the ephemeral secrets 03.. and 04..
    @Test func theBytesAreAsDocumented() throws {
        let (initiator, responder) = try start(expecting: try ed25519(2).publicKey)
        #expect(
            Hex.encode(initiator.hello) == """
                4558514c494e4b315dfedd3b6bd47f6fa28ee15d969d5bb0ea53774d488bdaf9\
                df1c6e0124b3ef22
                """)
        #expect(
            Hex.encode(responder.reply) == """
                ac01b2209e86354fb853237b5de0f4fab13c7fcbf433a61c019369617fecf10b\
                f21e3e4970f6309d271127ac38fe5cf0d7afad522d1e1ee06754ada738692879\
                eb933b695f10a56178bd30b2031e2ba4bdd5fc2d1899b21e35220cd60996b9ca\
                3a139b31fe565b6b837ebd16e3080a81ccae52fad3f9cba776f2d1b01754ab2b\
                639dcc5fba773b19dde2cdba9c5c56e6
                """)
        let finish = try initiator.finish(reply: responder.reply)
        #expect(
            Hex.encode(finish.message) == """
                c6df61c5c79df01d6bb5ff3c39a296e0b2ff9de32935fd84032751518d7db6dd\
                6955b86b399c4e3f6743c0c247dba39011e468d921e56093fe3126f2d9b5ea85\
                2392925762a203e6287af873c16217d3105919fc2e45f06bce557563a8e3e4f3\
                d87b4430f8e434a1c890c22d88dcd285
                """)
        var atResponder = try responder.finish(finish.message)
        var atInitiator = finish.takeChannel()
        #expect(
            Hex.encode(try atInitiator.seal(Array("ping".utf8)))
                == "cd5f00c81d5d0c73c887aa10e1a12f37e7f064e1d5")
        #expect(
            Hex.encode(try atInitiator.seal([], final: true))
                == "9545616221425b814746ed0bee29167c02")
        #expect(
            Hex.encode(try atResponder.seal(Array("pong".utf8)))
                == "bcb101bde56ac9ec1f856ba2fc22e94290be5fbcf4")
    }

    @Test func bothSidesLearnWhoTheOtherIsAndTalk() throws {
        let (initiator, responder) = try start()
        let finish = try initiator.finish(reply: responder.reply)
        var right = try responder.finish(finish.message)
        var left = finish.takeChannel()
        let leftPeer = left.peer
        let rightPeer = right.peer
        #expect(leftPeer == (try ed25519(2)).publicKey)
        #expect(rightPeer == (try ed25519(1)).publicKey)
        for size in [0, 1, 100, 70_000] {
            let message = pattern(size)
            let there = try right.open(try left.seal(message))
            #expect(there.message == message && !there.isFinal)
            let back = try left.open(try right.seal(message))
            #expect(back.message == message && !back.isFinal)
        }
        let last = try right.open(try left.seal([9], final: true))
        #expect(last.message == [9] && last.isFinal)
        #expect(throws: SecureChannelError.finished) { try left.seal([1]) }
        #expect(throws: SecureChannelError.finished) {
            try right.open([UInt8](repeating: 0, count: 20))
        }
        let still = try left.open(try right.seal([8]))
        #expect(still.message == [8])
    }

    @Test func aPinnedInitiatorAcceptsNobodyElse() throws {
        let (initiator, responder) = try start(expecting: try ed25519(9).publicKey)
        let actual = try ed25519(2).publicKey
        #expect(throws: SecureChannelError.unexpectedPeer(actual)) {
            _ = try initiator.finish(reply: responder.reply).takeChannel()
        }
    }

    @Test func everyAlteredHandshakeByteIsNoticed() throws {
        let (initiator, responder) = try start()
        for index in responder.reply.indices {
            var reply = responder.reply
            reply[index] ^= 1
            #expect(throws: SecureChannelError.self) {
                _ = try initiator.finish(reply: reply).takeChannel()
            }
        }
        let message = try initiator.finish(reply: responder.reply).message
        for index in message.indices {
            var altered = message
            altered[index] ^= 1
            #expect(throws: SecureChannelError.notAuthenticated) {
                _ = try responder.finish(altered).peer
            }
        }
        for index in initiator.hello.indices {
            var hello = initiator.hello
            hello[index] ^= 1
            #expect(throws: SecureChannelError.self) {
                let other = try SecureResponder(
                    identity: try ed25519(2), ephemeral: secretB, hello: hello)
                _ = try initiator.finish(reply: other.reply).takeChannel()
            }
        }
    }

    @Test func wrongSizesAndForeignProtocolsAreRefused() throws {
        let (initiator, responder) = try start()
        let identity = try ed25519(2)
        #expect(throws: SecureChannelError.notThisProtocol) {
            _ = try SecureResponder(
                identity: identity, ephemeral: secretB, hello: Array("GET / HTTP/1.1\r\n".utf8))
        }
        #expect(throws: SecureChannelError.notThisProtocol) {
            _ = try SecureResponder(identity: identity, ephemeral: secretB, hello: [])
        }
        #expect(throws: SecureChannelError.wrongLength) {
            _ = try SecureResponder(
                identity: identity, ephemeral: secretB, hello: initiator.hello + [0])
        }
        #expect(throws: SecureChannelError.badEphemeralKey) {
            _ = try SecureResponder(
                identity: identity, ephemeral: secretB,
                hello: initiator.hello.prefix(8) + [UInt8](repeating: 0, count: 32))
        }
        #expect(throws: SecureChannelError.wrongLength) {
            _ = try initiator.finish(reply: responder.reply.dropLast()).takeChannel()
        }
        #expect(throws: SecureChannelError.wrongLength) { _ = try responder.finish([]).peer }
    }

    /// A last message of another handshake, and one by a third party, do not fit.
    @Test func aHandshakeCannotBeReplayedOrTakenOver() throws {
        let (initiator, responder) = try start()
        let message = try initiator.finish(reply: responder.reply).message
        let second = try SecureResponder(
            identity: try ed25519(2), ephemeral: [UInt8](repeating: 5, count: 32),
            hello: initiator.hello)
        #expect(throws: SecureChannelError.notAuthenticated) { _ = try second.finish(message).peer }
    }

    @Test func alteredRepeatedMissingAndSwappedRecordsBreakTheChannel() throws {
        func pair() throws -> ([[UInt8]], SecureResponder, [UInt8]) {
            let (initiator, responder) = try start()
            let finish = try initiator.finish(reply: responder.reply)
            let message = finish.message
            var left = finish.takeChannel()
            return ([try left.seal([1]), try left.seal([2])], responder, message)
        }
        func expectBroken(_ choose: ([[UInt8]]) -> [[UInt8]]) throws {
            let (records, responder, message) = try pair()
            var channel = try responder.finish(message)
            var caught: SecureChannelError?
            do {
                for record in choose(records) { _ = try channel.open(record) }
            } catch {
                caught = error
            }
            #expect(caught == .brokenRecord)
        }
        try expectBroken { [$0[0], $0[0]] }
        try expectBroken { [$0[1]] }
        try expectBroken { [$0[1], $0[0]] }
        try expectBroken { [Array($0[0].dropLast())] }
        try expectBroken { [$0[0] + [0]] }
        try expectBroken { _ in [[]] }
        try expectBroken { _ in [pattern(16)] }
        for index in 0..<18 {
            try expectBroken { records in
                var altered = records[0]
                altered[index] ^= 0x10
                return [altered]
            }
        }
    }
}
