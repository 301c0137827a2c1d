import Cryptography
import Primitives
import Service
import Synchronization
import Testing

/// Which trees are kept, and who builds the others.
@Suite struct ClaimTreesTests {
    /// Builders at work, the most at once, and how often each batch's tree was built.
    private final class Builders: Sendable {
        private struct State {
            var working = 0
            var most = 0
            var built: [BatchID: Int] = [:]
        }

        private let state = Mutex(State())
        var most: Int { state.withLock { $0.most } }

        func times(_ batch: BatchID) -> Int { state.withLock { $0.built[batch] ?? 0 } }

        func build(_ batch: BatchID) -> ClaimTree {
            state.withLock { state in
                state.working += 1
                state.most = max(state.most, state.working)
                state.built[batch, default: 0] += 1
            }
            defer { state.withLock { $0.working -= 1 } }
            let leaf = SHA256.hash(batch.canonicalBytes())
            return ClaimTree(leaves: (0..<20_000).map { Digest(words: (leaf.words.0, 0, 0, $0)) })
        }
    }

    private let builders = Builders()
    private let trees = ClaimTrees()

    private func ask(_ number: UInt64, paying: UInt64? = nil) async {
        let (batch, builders) = (BatchID(number), builders)
        let tree = await trees.tree(of: batch, paying: paying.map { BatchID($0) }) {
            builders.build(batch)
        }
        #expect(trees.known(batch)?.root == tree.root)
    }

    @Test func theLastTwoAndTheOneThatPaysStayWhoeverAsksForOthers() async {
        for number: UInt64 in [4, 7, 8] { await ask(number, paying: 4) }
        for round in 0..<3 {
            for number: UInt64 in [8, 4] { await ask(number, paying: 4) }
            // Strangers turn over what is old.
            await ask(UInt64(1 + round % 2), paying: 4)
        }
        #expect(builders.times(BatchID(8)) == 1 && builders.times(BatchID(4)) == 1)
        for _ in 0..<3 { for number: UInt64 in [9, 10, 1, 2] { await ask(number, paying: 10) } }
        #expect(builders.times(BatchID(9)) == 1 && builders.times(BatchID(10)) == 1)
        #expect(builders.times(BatchID(1)) > 2)
    }

    @Test func oneBuildsWhileTheOthersWait() async {
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<12 as Range<UInt64> {
                group.addTask { await ask(1 + number % 3) }
            }
        }
        #expect(builders.most == 1)
        for number: UInt64 in 1...3 { #expect(builders.times(BatchID(number)) == 1) }
    }
}
