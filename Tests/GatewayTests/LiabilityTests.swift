import Clearing
import Cryptography
import Foundation
import Primitives
import Service
import Storage
import Testing
import Transport

/// What the house owes, over HTTP: the root for everyone, the proof for its holder.
@Suite(.serialized, .timeLimit(.minutes(10))) struct LiabilityTests {
    private struct View: Decodable {
        let batch, sequence: UInt64
        let state, root: String
        let totals: LiabilityStatement.Sums
    }

    /// Seals a settlement as the house does when it has a chain.
    private func settle(_ running: RunningHouse) async throws -> LiabilityCommitment {
        let house = running.house
        let salt = try SecretFile.read(LiabilityBook.saltFile(in: running.folder.path()))
        _ = try await house.sequencer.submit(.cutBatch).get()
        let owed = try await house.sequencer.read { $0.liabilities() }
        let head = house.sequencer.head
        let tree = try LiabilityTree(
            owed, batch: BatchID(1), sequence: head.sequence, head: head.hash, salt: salt)
        let seal = Command.sealBatch(BatchID(1), root: .zero, liabilities: tree.commitment)
        _ = try await house.sequencer.submit(seal).get()
        return tree.commitment
    }

    @Test func aHolderIsShownThatItsBalanceIsInTheRoot() async throws {
        try await RunningHouse.with { running in
            let key = try await running.buyer(200, dollars: 5)
            let early = try await running.call("GET", "/v1/liabilities/proof", bearer: key)
            #expect(try early.status == 404 && early.failure().code == "not_found")
            _ = try await running.buyer(201, dollars: 7)
            let body = "{\"asset\":\"USD\",\"amount\":\"1.5\"}"
            _ = try await running.call("POST", "/v1/withdrawals", json: body, bearer: key)
            let commitment = try await settle(running)

            // Money that comes in later is of the next settlement.
            let late = try await running.buyer(202, dollars: 1)
            let view: View = try await running.call("GET", "/v1/liabilities").decoded()
            #expect(view.root == commitment.root.hex && view.state == "sealed")
            #expect(view.totals.usd == "12.00" && view.totals.tly == "0.00")

            let answer = try await running.call("GET", "/v1/liabilities/proof", bearer: key)
            let proof = try answer.decoded(LiabilityStatement.self).decoded()
            let address = try RunningHouse.account(200).address
            #expect(throws: Never.self) {
                try proof.verify(root: commitment.root, holder: address)
            }
            #expect(proof.sums[.usd] == Asset.usd.parse("5.00"))
            let other = try RunningHouse.account(201).address
            #expect(!answer.text.contains(other.hex.dropFirst(2)))

            let young = try await running.call("GET", "/v1/liabilities/proof", bearer: late)
            #expect(young.status == 404)
            let stranger = try await running.call("GET", "/v1/liabilities/proof")
            #expect(stranger.status == 401)
            let escrow: LiabilityStatement = try await running.call(
                "GET", "/v1/liabilities/escrow"
            ).decoded()
            #expect(escrow.owed.usd == "0.00" && escrow.address == EVMAddress.zero.hex)

            // What people read must be what is verified.
            let text = answer.text.replacingOccurrences(of: "\"5.00\"", with: "\"6.00\"")
            #expect(text != answer.text)
            let altered = try JSONDecoder().decode(
                LiabilityStatement.self, from: Data(text.utf8))
            #expect(throws: LiabilityRejection.malformed) { try altered.decoded() }
        }
    }
}
