import Cryptography
import Primitives
import Transport

/// One link and one event stream to the house; they stand and fall together.
struct HouseConnection: Sendable {
    /// Who the house proved to be.
    let house: Digest
    private let link: SecureLink
    private let exchange: HTTPExchange

    static func open(
        _ registration: HouseMessages.Registration, identity: Ed25519.PrivateKey,
        client: HouseClient, standsIn: Bool
    ) async throws(NodeError) -> HouseConnection {
        guard let house = Digest(hex: registration.houseKey),
            (1...65_535).contains(registration.wire.port)
        else { throw NodeError(.badAnswer, "the registration has no house key or wire address") }
        let link: SecureLink
        do throws(SecureLinkError) {
            link = try await SecureLink.connect(
                host: registration.wire.host, port: registration.wire.port, identity: identity,
                expecting: PublicKey(house))
        } catch {
            throw NodeError(
                .linkLost,
                "\(registration.wire.host):\(registration.wire.port): \(error)")
        }
        do throws(NodeError) {
            return HouseConnection(
                house: house, link: link, exchange: try await client.events(standsIn: standsIn))
        } catch {
            link.close()
            throw error
        }
    }

    /// Serves until the link or the stream ends, which is always thrown.
    func run(_ worker: NodeWorker) async throws(NodeError) {
        let (frames, sink) = AsyncStream<WireFrame>.makeStream()
        worker.attach(sink)
        let end = await withTaskGroup(of: NodeError.self) { group in
            group.addTask { await send(frames) }
            group.addTask { await receive(worker) }
            group.addTask { await watch(worker) }
            let end = await group.next()
            // Closing first: a send that waits for a silent peer ends only with the link.
            link.close()
            exchange.cancel()
            group.cancelAll()
            return end
        }
        await worker.detach()
        throw end ?? NodeError(.linkLost, "the link ended")
    }

    private func send(_ frames: AsyncStream<WireFrame>) async -> NodeError {
        do throws(SecureLinkError) {
            for await frame in frames { try await link.send(frame.encoded()) }
            return NodeError(.linkLost, "this side stopped sending")
        } catch {
            return NodeError(.linkLost, "\(error)")
        }
    }

    private func receive(_ worker: NodeWorker) async -> NodeError {
        do throws(SecureLinkError) {
            while let bytes = try await link.receive() { await worker.receive(bytes) }
            return NodeError(.linkLost, "the house closed the link")
        } catch {
            return NodeError(.linkLost, "\(error)")
        }
    }

    private func watch(_ worker: NodeWorker) async -> NodeError {
        do {
            try await EventStream(exchange).forEach { await worker.receive($0) }
            return NodeError(.linkLost, "the house closed the event stream")
        } catch {
            return NodeError(.linkLost, "the event stream broke: \(error)")
        }
    }
}
