import Cryptography
import Inference
import Primitives
import Testing
import Verification

/// A game in a file: played again from its bytes, and refused where anybody touched it.
@Suite struct BisectionRecordTests {
    /// A game between an honest challenger and a stage that was wrong in one place.
    private func game(fault: PlantedFault?) throws -> BisectionRecord {
        let dispute = try Dispute()
        let task = try dispute.tasks()[1]
        let accused = try StageTrace(model: dispute.model, task: task, fault: fault, threads: 1)
        let honest = try StageTrace(model: dispute.model, task: task, threads: 1)
        let subject = try dispute.subject(accused)
        var record = BisectionRecord(
            receipt: subject.receipt.signed, sampling: Dispute.sampling,
            manifest: dispute.manifest.canonicalBytes(), challenger: subject.challenger)
        while true {
            let (game, _) = try record.replayed()
            guard let party = game.game.turn.party else { return record }
            let player = BisectionPlayer(party == .accused ? accused : honest)
            let message = try #require(try player.answer(game.game))
            record.moves.append(
                game.move(message).signed(by: try Dispute.key(party == .accused ? 1 : 2)))
        }
    }

    private func code(_ record: BisectionRecord) -> BisectionRejection.Code? {
        do {
            _ = try record.replayed()
            return nil
        } catch {
            return (error as? BisectionRejection)?.code
        }
    }

    @Test func aGameIsJudgedFromItsBytesAlone() throws {
        let fault = PlantedFault(step: .layer(2), position: 6, operation: .down)
        let record = try game(fault: fault)
        let travelled = try BisectionRecord(untrusted: record.canonicalBytes())
        #expect(travelled.digest == record.digest)
        let outcome = try #require(try travelled.replayed().game.game.outcome)
        #expect(outcome.loser == .accused)
        #expect(outcome.reason.code == .operationDiffers)
        #expect(outcome.fault?.operation == .down)
        #expect(outcome.fault?.position == 6)
        #expect(record.moves.count < 32)
        // Against a stage that computed right, the same challenger loses.
        let vain = try game(fault: nil).replayed().game.game
        #expect(vain.outcome?.loser == .challenger)
    }

    @Test func aRecordThatWasTouchedConvictsNobody() throws {
        let record = try game(
            fault: PlantedFault(step: .layer(1), position: 7, operation: .mix))
        for place in record.moves.indices {
            var other = record
            let move = other.moves[place]
            other.moves[place] = Signed(
                body: move.body, signer: move.signer,
                signature: try Dispute.key(3).sign(move.body.signingBytes()))
            #expect(code(other) == .badSignature)
            other = record
            other.moves.remove(at: place)
            #expect(
                place + 1 == record.moves.count ? code(other) == nil : code(other) == .wrongTurn)
        }
        var other = record
        other.moves.append(record.moves[0])
        #expect(code(other) == .wrongTurn)
        other = BisectionRecord(
            receipt: record.receipt, sampling: [1, 2], manifest: record.manifest,
            challenger: record.challenger, moves: record.moves)
        #expect(code(other) == .otherGame)
        let stranger = try SyntheticModel(.q8_0).model().manifest()
        other = BisectionRecord(
            receipt: record.receipt, sampling: record.sampling,
            manifest: stranger.canonicalBytes(), challenger: record.challenger)
        #expect(code(other) == .otherSubject)
        let bytes = record.canonicalBytes()
        for count in stride(from: 0, to: bytes.count, by: 97) {
            #expect { try BisectionRecord(untrusted: Array(bytes[..<count])) } throws: {
                ($0 as? BisectionRejection)?.code == .unreadable
            }
        }
    }
}

/// A stranger's manifest can say anything: what no model can have is refused before it is used.
@Suite struct HostileManifestTests {
    @Test func sizesThatDoNotFitAreRefused() throws {
        let good = try SyntheticModel(.q4_1).model().manifest()
        #expect(try ModelManifest(canonicalBytes: good.canonicalBytes()) == good)
        let changes: [(inout ModelArchitecture) -> Void] = [
            { $0.keyValueHeads = 2 * $0.heads }, { $0.keyValueHeads = 3 },
            { $0.ropeSize = 2 * $0.headSize }, { $0.ropeSize = 3 }, { $0.hidden = 65 },
            { $0.headSize = 9 }, { $0.heads = 1 << 19 }, { $0.feed = 1 << 20 }, { $0.ropeBase = 0 },
            { $0.epsilon = -1 }, { $0.layers = 0 },
        ]
        for (index, change) in changes.enumerated() {
            var bad = good
            change(&bad.architecture)
            #expect(throws: CodecError.self, "change \(index)") {
                try ModelManifest(canonicalBytes: bad.canonicalBytes())
            }
        }
    }
}
