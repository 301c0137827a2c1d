import Primitives
import Storage
import Synchronization

/// What a standby holds and what it decides: its copy of the journal, the machine that the copy
/// leads to, whom it follows. Nothing here waits for the network; one message at a time.
final class StandbyBooks<Machine: JournaledMachine>: Sendable {
    private struct State {
        /// `nil` once it was handed to the promoted service.
        var journal: (any Journal)?
        var replay: Replay<Machine>?
        var verifier: ChainVerifier
        var mark: StandbyMark
        /// The session whose leader has the lead, while it is connected.
        var session: UInt64?
        var allowsTakeover = false
        /// Everything that the leader had when it took the lead.
        var target: UInt64?
        /// Whether everything that the leader ever acknowledged is here.
        var isInSync = false
        var heard = ContinuousClock.now
        var ticked = ContinuousClock.now
        var failure: JournalError?
    }

    private let options: StandbyOptions
    private let state: Mutex<State>

    /// Opens and replays the copy. Blocks as long as that takes.
    init(_ options: StandbyOptions, empty: Machine) throws(JournalError) {
        self.options = options
        let mark = try StandbyMark(readingFrom: options.mark)
        let journal = try options.open(mark.term)
        do throws(JournalError) {
            let recovery = try Recovery(
                of: journal, empty: empty, snapshots: options.snapshots,
                notice: { options.report("\($0)") })
            state = Mutex(
                State(
                    journal: journal, replay: Replay(recovery.machine),
                    verifier: ChainVerifier(after: recovery.head), mark: mark))
        } catch {
            try? journal.close()
            throw error
        }
    }

    var head: JournalHead { state.withLock { $0.verifier.head } }
    var isPromoted: Bool { state.withLock { $0.mark.isPromoted } }
    var isInSync: Bool { state.withLock { $0.isInSync } }
    var failure: JournalError? { state.withLock { $0.failure } }

    // MARK: What a leader says

    /// The answer to a leader's first message.
    func welcome(_ hello: LeaderHello) throws(ReplicationRefusal) -> ReplicationMessage {
        try state.withLock { (state) throws(ReplicationRefusal) in
            try check(state)
            let isKnown = hello.leader == state.mark.leader
            if hello.isGranted, !isKnown || hello.term < state.mark.term {
                throw refusal(
                    .olderTerm, state, "term \(state.mark.term) was granted to another leader")
            }
            if !isKnown, state.session != nil, !isSilent(state, at: .now) {
                throw refusal(.otherLeader, state, "it follows a leader that is alive")
            }
            return .welcome(head: state.verifier.head.point, term: state.mark.term)
        }
    }

    /// Gives the lead to a leader; from now on only this session's batches are taken.
    func grant(
        _ hello: LeaderHello, term: UInt64, head: ChainPoint, session: UInt64
    ) throws(ReplicationRefusal) -> ReplicationMessage {
        try state.withLock { (state) throws(ReplicationRefusal) in
            try check(state)
            let isSame = hello.leader == state.mark.leader && term == state.mark.term
            guard isSame || term > state.mark.term, term >= state.verifier.head.term else {
                throw refusal(.olderTerm, state, "the term \(term) is too old")
            }
            let own = state.verifier.head.point
            guard own.sequence < head.sequence || own == head else {
                throw refusal(
                    .otherHistory, state,
                    "this standby is at batch \(own.sequence) of another history: move its "
                        + "journal aside and start it anew, empty")
            }
            if !isSame {
                state.mark.term = term
                state.mark.leader = hello.leader
                try keepMark(&state)
                state.isInSync = false
            }
            state.session = session
            state.allowsTakeover = hello.allowsTakeover
            state.target = head.sequence
            state.heard = .now
            noteProgress(&state)
            return .acknowledged(own)
        }
    }

    /// Makes a batch of the leader durable.
    func append(
        _ batch: JournalBatch, session: UInt64
    ) throws(ReplicationRefusal) -> ReplicationMessage {
        try state.withLock { (state) throws(ReplicationRefusal) in
            try check(state, session)
            var verifier = state.verifier
            let entries: JournalEntries
            do throws(JournalError) {
                entries = try verifier.accept(batch)
            } catch {
                throw refusal(.otherHistory, state, "what came does not follow: \(error)")
            }
            guard batch.term <= state.mark.term else {
                throw refusal(.protocolError, state, "a batch of a term that was not granted")
            }
            do throws(JournalError) {
                try state.journal?.append(batch)
                try state.replay?.apply(batch, entries)
            } catch {
                throw fail(error, &state)
            }
            state.verifier = verifier
            noteProgress(&state)
            state.heard = .now
            return .acknowledged(batch.head.point)
        }
    }

    /// The leader lives.
    func heartbeat(session: UInt64) throws(ReplicationRefusal) -> ReplicationMessage {
        try state.withLock { (state) throws(ReplicationRefusal) in
            try check(state, session)
            state.heard = .now
            return .acknowledged(state.verifier.head.point)
        }
    }

    /// The leader stopped in order: nobody need take over until one leads again.
    func farewell(session: UInt64) {
        state.withLock { state in
            if state.session == session { state.allowsTakeover = false }
        }
    }

    /// The session's connection is gone.
    func leave(_ session: UInt64) {
        state.withLock { if $0.session == session { $0.session = nil } }
    }

    /// A reader of what is here, for a leader that lacks it.
    func reader() throws(JournalError) -> any JournalReader {
        guard let journal = state.withLock({ $0.journal }) else { throw .closed }
        return try journal.reader()
    }

    // MARK: Taking over

    /// Whether the leader is gone and this standby may take over by itself. Called often: if it was
    /// not, this process slept, and what the leader sent meanwhile is still to be read.
    func isTakeoverDue(at now: ContinuousClock.Instant) -> Bool {
        state.withLock { state in
            if now - state.ticked > .seconds(1) { state.heard = now }
            state.ticked = now
            return state.isInSync && state.allowsTakeover && state.failure == nil
                && !state.mark.isPromoted && isSilent(state, at: now)
        }
    }

    /// Follows nobody any more and opens the journal in a term of its own.
    func promote() throws(JournalError) -> Promotion<Machine> {
        try state.withLock { (state) throws(JournalError) in
            guard let journal = state.journal, let replay = state.replay else { throw .closed }
            if let failure = state.failure { throw failure }
            let head = state.verifier.head
            state.mark.term = max(state.mark.term, head.term) + 1
            state.mark.leader = .zero
            state.mark.isPromoted = true
            do throws(JournalError) {
                // Before anything else: from here on no leader is followed, also after a crash.
                try state.mark.write(to: options.mark)
                try journal.close()
                state.journal = nil
                state.replay = nil
                let own = try options.open(state.mark.term)
                let found = try own.recover(after: head) { (batch, _) throws(JournalError) in
                    throw .conflict(batch.sequence)
                }
                return Promotion(journal: own, head: found, machine: replay.machine)
            } catch {
                state.failure = error
                throw error
            }
        }
    }

    /// Closes the copy, if it was not promoted.
    func close() {
        state.withLock { state in
            try? state.journal?.close()
            state.journal = nil
            state.replay = nil
            if state.failure == nil { state.failure = .closed }
        }
    }

    // MARK: Rules

    private func check(_ state: State) throws(ReplicationRefusal) {
        if state.mark.isPromoted {
            throw refusal(
                .promoted, state,
                "this standby took over with term \(state.mark.term): stop this "
                    + "leader, move its journal aside, and start it as a standby")
        }
        // One that stops may come back: that is not a failure.
        let reason: ReplicationRefusal.Reason = state.failure == .closed ? .protocolError : .failed
        if let failure = state.failure { throw refusal(reason, state, "\(failure)") }
    }

    private func check(_ state: State, _ session: UInt64) throws(ReplicationRefusal) {
        try check(state)
        guard state.session == session else {
            throw refusal(.protocolError, state, "this connection has not the lead")
        }
    }

    private func isSilent(_ state: State, at now: ContinuousClock.Instant) -> Bool {
        now - state.heard > options.patience
    }

    private func noteProgress(_ state: inout State) {
        if let target = state.target, state.verifier.head.sequence >= target {
            state.isInSync = true
        }
    }

    private func keepMark(_ state: inout State) throws(ReplicationRefusal) {
        do throws(JournalError) {
            try state.mark.write(to: options.mark)
        } catch {
            throw fail(error, &state)
        }
    }

    /// What is on this disk is unknown from here on, so nothing is acknowledged any more.
    private func fail(_ error: JournalError, _ state: inout State) -> ReplicationRefusal {
        state.failure = error
        return refusal(.failed, state, "\(error)")
    }

    private func refusal(
        _ reason: ReplicationRefusal.Reason, _ state: State, _ words: String
    ) -> ReplicationRefusal {
        ReplicationRefusal(
            reason: reason, term: state.mark.term, words: String(words.prefix(200)))
    }
}
