/// Looks after an upstream while its node serves: offers stand only while it can take requests.
struct UpstreamWatch: Sendable {
    let node: PreparedNode
    let offers: OfferKeeper
    let report: @Sendable (NodeEvent) -> Void
    private static let pause = Duration.seconds(2)

    /// Watches for ever. An upstream that was away is checked again before anything is offered: it
    /// may have come back with another model.
    func run(_ retry: Retry) async throws {
        guard let upstream = node.upstream else { return }
        while true {
            try await Task.sleep(for: Self.pause)
            // One slow answer is no reason: a second look decides.
            if await upstream.server.isHealthy() { continue }
            try await Task.sleep(for: Self.pause)
            if await upstream.server.isHealthy() { continue }
            report(
                NodeEvent(
                    "upstream_lost", .warning,
                    "the upstream is not healthy: taking offers back until it is"))
            await offers.withdraw()
            try await waitUntilBack(upstream.server)
            report(NodeEvent("upstream_back", "the upstream is back and serves the same model"))
            try await offers.post(retry)
        }
    }

    private func waitUntilBack(_ before: UpstreamServer) async throws {
        var last = ""
        while true {
            try await Task.sleep(for: Self.pause)
            do throws(NodeError) {
                let now = try await node.connectedUpstream().server
                if now.kind == before.kind, now.description == before.description { return }
                throw NodeError(
                    .upstreamMismatch,
                    "the upstream came back as another server or with other sizes: to offer it, "
                        + "start this node again")
            } catch {
                if error.reason != last, error.code != .upstreamUnreachable {
                    report(NodeEvent("upstream_refused", .warning, error.reason))
                }
                last = error.reason
            }
        }
    }
}
