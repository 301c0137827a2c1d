import Ledger
import Primitives
import Service
import SimulatedDisk
import Storage

extension Simulation {
    /// Compares all that was said in this step with what is certainly on the disk.
    mutating func check() {
        guard goesOn else { return }
        for server in servers {
            let said = server.outbox.take()
            let isLeader = leads && server.number == servers.last?.number
            if isLeader, server.pipeline.isClosed, leads {
                report.note("servers that ended")
                leads = false
            }
            check(said, of: server, isLeader: isLeader)
            if !goesOn { return }
        }
        if servers.count > 3 { servers.removeFirst() }
    }

    private mutating func check(
        _ said: [Message], of server: SimulatedServer, isLeader: Bool
    ) {
        var next = history.entries.count
        if said.contains(where: \.isSuccess) { readDurable() }
        for message in said where goesOn {
            switch message.content {
            case .answer(let answer):
                check(answer, to: message, of: server, at: next, isLeader: isLeader)
                next += 1
            case .seen(let sight): check(sight, to: message, isLeader: isLeader)
            default: report.note("refusals")
            }
            send(message)
        }
        // A commit answers all that it holds, unless the call that made it durable failed.
        let hasFailed = said.contains(where: \.isFailure)
        if next != history.entries.count, said.contains(where: \.isAnswer), !hasFailed, goesOn {
            fail("a batch became durable of which not everyone was told")
        }
    }

    /// The answers of a commit are those of its entries, one by one and in order.
    private mutating func check(
        _ answer: LedgerAnswer, to message: Message, of server: SimulatedServer, at place: Int,
        isLeader: Bool
    ) {
        guard place < history.entries.count else {
            // Only a disk that writes to other places may lose what it said it had.
            if kind == .damaging { return end("acknowledged on a lying disk") }
            return fail("server \(server.number) acknowledged what is not durable")
        }
        let entry = history.entries[place]
        guard message.command == entry.command else {
            return fail("another command was acknowledged than is durable")
        }
        if entry.answer != answer { fail("an answer differs from the naive ledger's") }
        if place < message.known { fail("a command stands before one acknowledged earlier") }
        if entry.term != server.journal.term { fail("a batch has another server's term") }
        if !isLeader, leads { fail("a server acknowledged after another one led") }
        report.note("acknowledged commands", entry.time.nanoseconds)
    }

    private mutating func check(_ sight: Sight, to message: Message, isLeader: Bool) {
        guard let length = history.length(at: sight.time) else {
            if kind == .damaging { return end("acknowledged on a lying disk") }
            return fail("a read saw what is not durable")
        }
        if isLeader, length < message.known { fail("a read missed what was acknowledged before") }
        if length > 0, history.entries[length - 1].accounts != sight.accounts {
            fail("a read saw other balances than the naive ledger has")
        }
        report.note("answered reads", sight.time.nanoseconds)
    }

    private mutating func end(_ kind: String) {
        report.note(kind)
        hasEnded = true
    }

    /// Reads on in what the disk would still have after the worst power cut.
    private mutating func readDurable() {
        do throws(JournalError) {
            let left = disk.afterTotalLoss().mount()
            let journal = try FileJournal(disk: left, options: SimulatedServer.files)
            if let wrong = try history.read(journal) {
                if kind == .damaging { return end("acknowledged on a lying disk") }
                fail(wrong)
            }
        } catch {
            if kind == .damaging { return end("acknowledged on a lying disk") }
            fail("what is durable cannot be opened: \(error)")
        }
    }

    // MARK: Leading

    /// A new server takes the disk; the old ones have lost it.
    mutating func lead() {
        disk.kill()
        snapshotDisk.kill()
        leads = false
        lastServer += 1
        let ahead = Int64.random(in: -1_500_000_000...1_500_000_000, using: &numbers)
        let notices = SimulatedServer.Notices()
        defer { hear(notices) }
        do throws(JournalError) {
            let clock = clock.server(ahead: ahead)
            let server = try SimulatedServer(
                lastServer, disk, snapshots: snapshotDisk, clock: clock, notices: notices)
            servers.append(server)
            leads = true
            report.note("recoveries", server.pipeline.head.sequence)
            recovered(server)
        } catch {
            switch error {
            case .inputOutput, .diskFull:
                report.note("starts that failed")
                if !hasFaults { fail("a healthy disk does not start: \(error)") }
            default:
                if kind == .honest { return fail("an honest disk was refused: \(error)") }
                end("damage that was found")
            }
        }
    }

    /// What a server starts with is what was acknowledged, and at most one batch more.
    private mutating func recovered(_ server: SimulatedServer) {
        let head = server.pipeline.head
        let known = history.batches
        if let last = known.last, last.term >= server.journal.term {
            return fail("server \(server.number) writes the term of one before it")
        }
        if head.sequence < known.count {
            guard kind == .damaging, Int(head.sequence) + 1 == known.count,
                known.dropLast().last?.head ?? .empty == head
            else { return fail("acknowledged batches are gone") }
            return end("last batches lost as if never written")
        }
        do throws(JournalError) {
            let copy = disk.copy()
            copy.faults = DiskFaults()
            copy.cancelFailures()
            let journal = try FileJournal(disk: copy.mount(), options: SimulatedServer.files)
            if let wrong = try history.read(journal) { return fail(wrong) }
        } catch {
            // A write of the recovery itself may have gone to another place.
            if kind == .damaging { return end("damage that was found") }
            return fail("what was recovered cannot be read: \(error)")
        }
        guard history.batches.count <= known.count + 1,
            history.batches.last?.head ?? .empty == head,
            Array(history.batches.prefix(known.count)) == known
        else { return fail("another history was recovered") }
        let history = history
        let box = SimulatedServer.Outbox()
        let marker = Message(
            client: 0, session: 0, request: 0, server: server.number, known: 0, command: nil)
        _ = server.pipeline.read {
            history.describes($0)
        } reply: { result in
            if case .success(let seen) = result, seen.0 { box.add(marker) }
        }
        server.pipeline.decide()
        if box.take().isEmpty { fail("the recovered ledger differs from the naive one") }
    }
}

extension Message {
    var isAnswer: Bool { if case .answer = content { true } else { false } }

    var isFailure: Bool { if case .refused(.journal) = content { true } else { false } }

    var isSuccess: Bool {
        switch content {
        case .answer, .seen: true
        default: false
        }
    }
}
