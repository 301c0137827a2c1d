import Cryptography
import Primitives
import Synchronization
import Transport

/// What happens on the links of a hub.
protocol RingHubOwner: AnyObject, Sendable {
    /// A frame came. While this waits, the link is not read.
    func receive(_ frame: WireFrame, from link: RingLink) async
    /// Bytes came that are not a frame, for this request as far as that can be told.
    func refuse(_ fault: RingFault, job: JobID, from link: RingLink)
    /// A link has ended, or never came about.
    func lost(_ link: RingLink, reason: String)
    /// A link that was full can take more.
    func hasRoom(_ link: RingLink)
}

/// The links to the other members of a private cluster: those that were dialled, one to each peer,
/// when it was needed and then kept, and those that listed peers opened.
final class RingHub: Sendable {
    private struct State {
        weak var owner: (any RingHubOwner)?
        var dialled: [PublicKey: RingLink] = [:]
        var links: [ObjectIdentifier: (link: RingLink, task: Task<Void, Never>)] = [:]
        var isClosed = false
    }

    let identity: Ed25519.PrivateKey
    private let limits: RingLimits
    private let state = Mutex(State())

    init(identity: Ed25519.PrivateKey, limits: RingLimits) {
        self.identity = identity
        self.limits = limits
    }

    deinit { close() }

    /// Frames go to `owner` from now on, which is not kept alive.
    func attach(_ owner: any RingHubOwner) { state.withLock { $0.owner = owner } }

    /// The link that a peer opened and gave this number.
    func link(of peer: PublicKey, number: JobID) -> RingLink? {
        state.withLock { state in
            state.links.values.first { $0.link.peer == peer && $0.link.number == number }?.link
        }
    }

    /// The link to the peer at an address: the one there is, or a new one that is being dialled.
    func link(to hop: RingOpen.Hop) throws(RingFault) -> RingLink {
        if let link = state.withLock({ $0.dialled[hop.key] }), !link.isOver { return link }
        guard let colon = hop.address.lastIndex(of: ":"),
            let port = UInt16(hop.address[hop.address.index(after: colon)...]), port > 0
        else { throw RingFault(.badHop, "\(hop.address) is not HOST:PORT") }
        let host = String(hop.address[..<colon])
        let identity = identity
        let link = start(hop.key) { () async throws(SecureLinkError) in
            try await SecureLink.connect(
                host: host, port: Int(port), identity: identity, expecting: hop.key)
        }
        state.withLock { $0.dialled[hop.key] = link }
        return link
    }

    /// Keeps a link that a listed peer opened.
    func accept(_ link: SecureLink) {
        _ = start(link.peer) { () async throws(SecureLinkError) in link }
    }

    private func start(
        _ peer: PublicKey,
        _ connect: @escaping @Sendable () async throws(SecureLinkError) -> SecureLink
    ) -> RingLink {
        let link = RingLink(peer: peer, limit: limits.unsentBytes)
        let onRoom: @Sendable () -> Void = { [weak self] in self?.owner?.hasRoom(link) }
        let receive: @Sendable ([UInt8]) async -> Void = { [weak self] bytes in
            await self?.receive(bytes, from: link)
        }
        state.withLock { state in
            guard !state.isClosed else { return link.abandon() }
            let task = Task { [weak self] in
                let reason = await link.run(connect, onRoom: onRoom, receive: receive)
                self?.end(link, reason)
            }
            state.links[ObjectIdentifier(link)] = (link, task)
        }
        return link
    }

    private var owner: (any RingHubOwner)? { state.withLock { $0.owner } }

    private func end(_ link: RingLink, _ reason: String) {
        state.withLock { state in
            state.links[ObjectIdentifier(link)] = nil
            if state.dialled[link.peer] === link { state.dialled[link.peer] = nil }
        }
        owner?.lost(link, reason: reason)
    }

    private func receive(_ bytes: [UInt8], from link: RingLink) async {
        do throws(WireFrameError) {
            let frame = try WireFrame(bytes)
            switch frame.kind {
            case .ping:
                link.announced(frame.job)
                link.push(JobTable.pong(frame))
            case .pong: link.answered(frame.position)
            default: await owner?.receive(frame, from: link)
            }
        } catch {
            // The request's number stands at the same place in any frame.
            var reader = ByteReader(Array(bytes.dropFirst(4).prefix(8)))
            let job = (try? reader.read(JobID.self)) ?? .none
            owner?.refuse(
                RingFault(.unreadableFrame, "the bytes are not a frame: \(error)"), job: job,
                from: link)
        }
    }

    /// Ends all links.
    func close() {
        let tasks = state.withLock { state in
            state.isClosed = true
            defer { state.links = [:] }
            return state.links.values.map(\.task)
        }
        for task in tasks { task.cancel() }
    }
}
