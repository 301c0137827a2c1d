import Cryptography
import Ledger
import Primitives
import Service
import Storage
import Testing
import Transport

/// What a standby refuses, told byte by byte (docs/reference/replication.md): a leader of this
/// program never says such things.
@Suite struct StandbyRulesTests {
    private static let protocolError: UInt8 = 1
    private static let olderTerm: UInt8 = 4
    private static let otherHistory: UInt8 = 6

    /// A standby that lets the next leader in at once, and never takes over by itself from these.
    private func standby(_ scratch: Scratch) async throws -> Standby<LedgerMachine> {
        try await Pair.standby(.file, scratch.folder + "/copy", patience: .milliseconds(1))
    }

    /// Meets the standby and asks for the lead; gives what it answers to that.
    private func lead(
        _ name: UInt8, term: UInt64, head: JournalHead = .empty,
        _ standby: Standby<LedgerMachine>
    ) async throws -> (leader: RawLeader, answer: RawLeader.Answer) {
        let leader = try await RawLeader(name, port: standby.port)
        let welcome = try await leader.hello(term: 1)
        guard case .welcome = welcome else { return (leader, welcome) }
        return (leader, try await leader.lead(term: term, head: head))
    }

    private func batch(term: UInt64, after head: JournalHead = .empty) throws -> JournalBatch {
        let command = LedgerCommand.pulse.canonicalBytes()
        return try JournalBatch(
            following: head, term: term,
            entries: [
                JournalEntry(
                    time: Timestamp(nanoseconds: head.time.nanoseconds + 1), command: command)
            ])
    }

    @Test func aTermIsGrantedToOneLeader() async throws {
        let scratch = try Scratch()
        let standby = try await standby(scratch)
        #expect(try await lead(1, term: 5, standby).answer == .acknowledged(0))
        for older in UInt64(0)...5 {
            let answer = try await lead(2, term: older, standby).answer
            #expect(answer == .refused(Self.olderTerm, term: 5), "term \(older)")
        }
        #expect(try await lead(2, term: 6, standby).answer == .acknowledged(0))
        // The first one comes back, and says whatever it likes about its term.
        for claimed in UInt64(4)...7 {
            let first = try await RawLeader(1, port: standby.port)
            let answer = try await first.hello(term: claimed, isGranted: true)
            #expect(answer == .refused(Self.olderTerm, term: 6), "term \(claimed)")
        }
        // The second one had only lost its connection.
        let second = try await RawLeader(2, port: standby.port)
        #expect(try await second.hello(term: 6, isGranted: true) == .welcome(0, term: 6))
        #expect(try await second.lead(term: 6) == .acknowledged(0))
        standby.stop()
    }

    @Test func onlyTheLeadersBatchesAreTaken() async throws {
        let scratch = try Scratch()
        let standby = try await standby(scratch)
        let refused = RawLeader.Answer.refused(Self.protocolError, term: 6)
        let first = try await lead(1, term: 5, standby).leader
        let second = try await lead(2, term: 6, standby).leader
        #expect(try await first.send(batch(term: 5)) == refused)
        #expect(try await second.send(batch(term: 7)) == refused)
        let third = try await RawLeader(3, port: standby.port)
        _ = try await third.hello(term: 1)
        #expect(
            try await third.send(batch(term: 6)) == .refused(Self.protocolError, term: 0))
        #expect(standby.head == .empty)
        let again = try await lead(2, term: 6, standby).leader
        let one = try batch(term: 6)
        #expect(try await again.send(one) == .acknowledged(1))
        let twice = try await again.send(one)
        #expect(twice == .refused(Self.otherHistory, term: 6))
        #expect(standby.head == one.head)
        // A leader that has less, or another history of the same length.
        #expect(
            try await lead(4, term: 7, standby).answer == .refused(Self.otherHistory, term: 6))
        let other = try batch(term: 5)
        #expect(
            try await lead(4, term: 7, head: other.head, standby).answer
                == .refused(Self.otherHistory, term: 6))
        standby.stop()
    }

    @Test func whatCannotBeReadIsRefused() async throws {
        let scratch = try Scratch()
        let standby = try await standby(scratch)
        let tooLong = [1, 1] + [UInt8](repeating: 0, count: 99)
        for bytes: [UInt8] in [[1], [1, 2, 0], [9], tooLong] {
            let leader = try await RawLeader(1, port: standby.port)
            #expect(try await leader.ask(bytes) == .refused(Self.protocolError, term: 0))
        }
        #expect(try await lead(1, term: 1, standby).answer == .acknowledged(0))
        standby.stop()
    }
}

/// A leader that writes its messages by hand.
private struct RawLeader {
    enum Answer: Equatable {
        case welcome(UInt64, term: UInt64)
        case acknowledged(UInt64)
        case refused(UInt8, term: UInt64)
    }

    private let link: SecureLink
    private let name: [UInt8]

    /// Connects, with a name of one repeated byte.
    init(_ name: UInt8, port: Int) async throws {
        self.name = [UInt8](repeating: name, count: 32)
        link = try await SecureLink.connect(
            host: "127.0.0.1", port: port, identity: Pair.identity(1),
            expecting: Pair.identity(2).publicKey)
    }

    func hello(term: UInt64, isGranted: Bool = false) async throws -> Answer {
        var writer = ByteWriter()
        writer.write(UInt8(1))
        writer.write(UInt16(1))
        writer.writeRaw(name)
        writer.write(term)
        writer.write(isGranted)
        writer.write(false)
        return try await ask(writer.bytes)
    }

    func lead(term: UInt64, head: JournalHead = .empty) async throws -> Answer {
        var writer = ByteWriter()
        writer.write(UInt8(3))
        writer.write(term)
        writer.write(head.sequence)
        writer.write(head.hash)
        return try await ask(writer.bytes)
    }

    func send(_ batch: JournalBatch) async throws -> Answer {
        var writer = ByteWriter()
        writer.write(UInt8(4))
        writer.write(batch.sequence)
        writer.write(batch.term)
        writer.write(batch.time)
        writer.write(batch.count)
        writer.write(batch.previousHash)
        writer.write(batch.hash)
        writer.write(batch.body)
        return try await ask(writer.bytes)
    }

    /// Sends a message and reads the next one.
    func ask(_ message: [UInt8]) async throws -> Answer {
        try await link.send(message)
        guard let frame = try await link.receive() else { throw SecureLinkError.closed }
        var reader = ByteReader(frame)
        switch try reader.readUInt8() {
        case 65:
            let sequence = try reader.readUInt64()
            _ = try reader.readDigest()
            return .welcome(sequence, term: try reader.readUInt64())
        case 66: return .acknowledged(try reader.readUInt64())
        case 67: return .refused(try reader.readUInt8(), term: try reader.readUInt64())
        default: throw SecureLinkError.cut("a message that only leaders send")
        }
    }
}
