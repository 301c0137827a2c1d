import Chains
import Clearing
import Cryptography
import Primitives

/// Says on Solana under which books its dispersals are made: one memo after the other, each of the
/// newest books, for all dispersals since the last memo. So many withdrawals in a row cost one, and
/// payments wait for none.
///
/// A memo is said when the books have its cost, which is when it is in a final block. One that is
/// on its way is among what was signed and is not booked; once no block can take it any more, the
/// next is sent, whether nodes know what became of it or have forgotten.
actor SolanaBooks {
    private let nodes: SolanaNodes
    private let key: any SolanaSigner
    private let spending: SolanaSpending
    private let sequencer: Sequencer
    /// Up to which dispersal there is nothing to be said.
    private var looked: UInt64 = 0

    /// More than the memo program takes for its longest text.
    private static let units: UInt32 = 100_000
    /// For a compute unit, in millionths of a lamport.
    private static let price: UInt64 = 1_000

    /// What is said with a key whose signatures are noted in `spending`.
    init(_ nodes: SolanaNodes, key: NotedSigner, sequencer: Sequencer) {
        self.nodes = nodes
        self.key = key
        spending = key.spending
        self.sequencer = sequencer
    }

    /// Sends what is to be said, unless something is on its way.
    func look() async throws {
        let said = await spending.notes.filter { $0.books != nil }
        if !said.isEmpty {
            let height = try await nodes.finalHeight()
            for note in said {
                let bound = await spending.bound(of: note.transaction, final: height)
                guard height > bound else { return }
            }
        }
        let (statement, end) = try await sequencer.read { [looked] house in
            let sealed = house.lastSealedDispersal
            return sealed > looked ? (house.nextStatement(after: looked), sealed) : (nil, looked)
        }
        guard let statement else { return looked = end }
        await spending.passed(try await nodes.finalSlot())
        let memo = SolanaInstruction.memo(statement.text, signer: key.address)
        _ = try await nodes.send(
            [.computeLimit(Self.units), .computePrice(Self.price), memo], by: key)
    }
}

extension ClearingHouse {
    /// What is to be said next of the dispersals after this one; `nil` if none of them that is on
    /// Solana has books that are not said.
    fileprivate func nextStatement(after looked: UInt64) -> BooksStatement? {
        let said = max(looked, lastStatedDispersal)
        guard let seal = dispersalSeals.last, seal.last.rawValue > said else { return nil }
        let new = dispersals[Int(said)..<Int(seal.last.rawValue)].first { dispersal in
            dispersal.rail == .solana && books(of: dispersal.id) != nil
        }
        return new.map {
            BooksStatement(
                first: $0.id.rawValue, last: seal.last.rawValue, seal.books.pushed)
        }
    }
}
