import Primitives
import Storage
import Synchronization
import Transport

// One connection after another. All of it runs on `ReplicationThreads`.
extension Replicator {
    /// Connects and introduces this leader; `nil`, with the reason noted, if that fails.
    func attempt() async -> Meeting? {
        do {
            return try await introduce()
        } catch {
            note(error)
            return nil
        }
    }

    private func introduce() async throws -> Meeting {
        let link = ReplicationLink(
            link: try await SecureLink.connect(
                host: options.host, port: options.port, identity: options.identity,
                expecting: options.standby, options: ReplicationLink.options()))
        do {
            let (term, isGranted) = state.withLock { ($0.term, $0.isGranted) }
            try await link.send(
                .hello(
                    LeaderHello(
                        leader: name, term: term, isGranted: isGranted,
                        allowsTakeover: options.allowsTakeover)))
            guard case .welcome(let head, let newest) = try await link.answer() else {
                throw SecureLinkError.cut("it answered something else than a welcome")
            }
            return Meeting(link: link, head: head, term: newest)
        } catch {
            link.link.close()
            throw error
        }
    }

    /// Keeps a session with the standby until the end.
    func run(_ first: Meeting?) async {
        var meeting = first
        while state.withLock({ !$0.isStopped && $0.failure == nil }) {
            if meeting == nil { meeting = await attempt() }
            if let met = meeting {
                do {
                    try await follow(met)
                } catch {
                    note(error)
                }
                met.link.link.close()
                state.withLock { state in
                    state.standby = nil
                    state.link = nil
                    state.wake = nil
                }
            }
            meeting = nil
            try? await Task.sleep(for: .milliseconds(200))
        }
    }

    /// Notes why there is no standby: the last refusal while nobody follows, or else the last thing
    /// that went wrong. One that was promoted or follows a newer leader ends this leader, whatever
    /// the mode; another history or another key ends it if it must wait for the standby.
    private func note(_ error: any Error) {
        let refusal = error as? ReplicationRefusal
        let words = refusal?.words ?? "\(error)"
        let isNews = state.withLock { state in
            if refusal == nil, state.isRefused { return false }
            state.isRefused = refusal != nil
            defer { state.problem = words }
            return state.problem != words && !state.isStopped
        }
        if isNews { options.report("the standby is not following: \(words)") }
        switch refusal?.reason {
        case .promoted, .olderTerm:
            fail(.fenced(term: refusal?.term ?? 0))
            options.onFenced(refusal?.term ?? 0)
        case .otherHistory, .failed, .unknownPeer:
            if options.acknowledgement == .sync, !options.alone { fail(.standby(words)) }
        default: break
        }
    }

    /// Takes the lead and sends everything, until something ends it.
    private func follow(_ meeting: Meeting) async throws {
        let link = meeting.link
        try checkHistory(meeting.head)
        let (term, head) = state.withLock { state in
            if !state.isGranted { state.term = max(state.term, meeting.term + 1) }
            return (state.term, state.head)
        }
        try await link.send(.lead(term: term, head: head))
        guard case .acknowledged(let point) = try await link.answer() else {
            throw SecureLinkError.cut("it did not acknowledge the lead")
        }
        let (wakes, wake) = AsyncStream.makeStream(
            of: Void.self, bufferingPolicy: .bufferingNewest(1))
        state.withLock { state in
            state.isGranted = true
            state.isRefused = false
            state.link = link
            state.wake = wake
        }
        note(point)
        options.report("the standby follows from batch \(point.sequence)")
        wake.yield()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.receive(link) }
            group.addTask { try await self.send(link, after: point.sequence, wakes) }
            group.addTask { try await self.keepAlive(link) }
            defer {
                link.link.close()
                group.cancelAll()
            }
            try await group.next()
        }
    }

    /// Throws unless the standby's journal is a beginning of this one.
    private func checkHistory(_ point: ChainPoint) throws {
        if point.sequence == 0 { return }
        let found = try reader.batches(after: point.sequence - 1).first
        guard found?.sequence == point.sequence, found?.hash == point.hash else {
            throw ReplicationRefusal(
                reason: .otherHistory, term: 0,
                words: "its batch \(point.sequence) is not this journal's: "
                    + "move its journal aside and start it anew, empty")
        }
    }

    private func receive(_ link: ReplicationLink) async throws {
        while true {
            guard case .acknowledged(let point) = try await link.receive() else {
                throw SecureLinkError.cut("it sent something else than an acknowledgement")
            }
            note(point)
        }
    }

    private func send(
        _ link: ReplicationLink, after sequence: UInt64, _ wakes: AsyncStream<Void>
    ) async throws {
        var last = sequence
        for await _ in wakes {
            while true {
                let page = try batches(after: last)
                if page.isEmpty { break }
                for batch in page { try await link.send(.batch(batch)) }
                last = page[page.count - 1].sequence
            }
        }
    }

    /// Says every half second that this leader lives; the standby answers each time.
    private func keepAlive(_ link: ReplicationLink) async throws {
        var seen: UInt64?
        var silent = 0
        while true {
            try await link.send(.heartbeat)
            try await Task.sleep(for: .milliseconds(500))
            let progress = state.withLock { $0.progress }
            silent = progress == seen ? silent + 1 : 0
            seen = progress
            if silent >= 10 { throw SecureLinkError.cut("it was silent for five seconds") }
        }
    }
}
