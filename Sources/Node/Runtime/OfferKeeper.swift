import Synchronization

/// The offers of a node at the house: posts them, renews them before they run out, takes them back.
///
/// Their ids are kept in a file as well, so that a node that was killed takes them back when it
/// starts again.
final class OfferKeeper: Sendable {
    private let node: PreparedNode
    private let client: HouseClient
    private let memory: OfferMemory
    private let report: @Sendable (NodeEvent) -> Void
    /// What stands at the house, in the order of the node's offers; empty while nothing does.
    private let standing = Mutex<[UInt64]>([])
    /// What was to be taken back and could not be.
    private let stuck = Mutex<[UInt64]>([])

    init(
        node: PreparedNode, client: HouseClient, memory: OfferMemory,
        report: @escaping @Sendable (NodeEvent) -> Void
    ) {
        self.node = node
        self.client = client
        self.memory = memory
        self.report = report
    }

    /// Takes back what an earlier run of this node left standing.
    func forgetEarlier() async {
        for offer in memory.load() { try? await client.withdraw(offer: offer) }
        memory.save([])
    }

    /// Posts all offers; `retry` waits for what passes by itself, such as a bond that the house has
    /// not seen yet.
    func post(_ retry: Retry) async throws {
        await takeBack(stuck.withLock { $0 })
        for index in 0..<node.offerCount {
            let id = try await retry.run { () async throws(NodeError) in
                try await self.client.post(self.node.offer(index))
            }
            standing.withLock { $0.append(id) }
            remember()
            let offer = node.configuration.offers[index]
            report(
                NodeEvent(
                    "offer_posted",
                    "offer \(id): layers \(node.layers(index)) at \(offer.inputPrice) / "
                        + "\(offer.outputPrice) dollars per million", [("offer", .number(id))]))
        }
    }

    /// Posts each standing offer anew and takes the old one back.
    func renew(_ retry: Retry) async throws {
        for index in 0..<node.offerCount {
            guard standing.withLock({ index < $0.count }) else { return }
            let new = try await retry.run { () async throws(NodeError) in
                try await self.client.post(self.node.offer(index))
            }
            let old = standing.withLock { offers in
                guard index < offers.count else { return new }
                let old = offers[index]
                offers[index] = new
                return old
            }
            await takeBack([old])
        }
    }

    /// Takes all offers back; jobs that run on them go on. What the house does not take back is
    /// remembered, and tried again before anything is posted.
    func withdraw() async {
        await takeBack(
            standing.withLock { offers in
                defer { offers = [] }
                return offers
            })
    }

    private func takeBack(_ offers: [UInt64]) async {
        for offer in offers {
            var left: [UInt64] = []
            do throws(NodeError) {
                try await client.withdraw(offer: offer)
            } catch {
                // A rejection says that it does not stand any more.
                if error.rejection == nil { left = [offer] }
                report(NodeEvent("offer_stands", .warning, "offer \(offer) stands: \(error)"))
            }
            stuck.withLock { stuck in
                stuck.removeAll { $0 == offer }
                stuck += left
            }
        }
        remember()
    }

    private func remember() {
        memory.save(standing.withLock { $0 } + stuck.withLock { $0 })
    }
}
