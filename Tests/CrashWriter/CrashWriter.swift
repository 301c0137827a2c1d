import CDiskRecorder
import Clearing
import Economics
import Foundation
import Primitives
import Service
import Storage

/// A writer to be killed: `crashwriter KIND JOURNAL RUN SUBMITTERS [LIMIT [RECORDING]]`. KIND is
/// `sqlite`, `file`, or `buffered` for an append file that is not written directly.
///
/// Many tasks register parties whose addresses are made of run, task and counter, and print
/// `+ ADDRESS` once the reply is there. With a limit SQLite's writes beyond that size fail, as on a
/// broken disk, and an append file is full there; 0 is no limit. A recording notes everything that
/// is done to the journal's files, while SQLite's log is copied and cut, and an append file's
/// segment changed, far more often than usual.
@main struct CrashWriter {
    static func main() async {
        let arguments = CommandLine.arguments
        guard arguments.count >= 5, let run = UInt32(arguments[3]),
            let submitters = UInt32(arguments[4])
        else { return end(2, "usage: crashwriter KIND JOURNAL RUN SUBMITTERS [LIMIT [RECORDING]]") }
        let path = arguments[2]
        let limit = arguments.count > 5 ? Int(arguments[5]).flatMap { $0 > 0 ? $0 : nil } : nil
        if arguments.count > 6 {
            let prefix = arguments[1] == "sqlite" ? path : path + "/"
            let started = unsafe disk_recorder_start(prefix, arguments[6])
            guard started == 0 else { return end(2, "cannot record into \(arguments[6])") }
        }
        do {
            let journal = try open(
                arguments[1], path, limit: limit, isRecorded: arguments.count > 6)
            let sequencer = try Sequencer(journal: journal) {
                Timestamp(nanoseconds: UInt64(Date().timeIntervalSince1970 * 1_000_000_000))
            }
            if sequencer.head.sequence == 0 {
                _ = try await sequencer.submit(.configure(Parameters(), chain: 31337))
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for task in 0..<submitters {
                    group.addTask { try await submit(to: sequencer, run: run, task: task) }
                }
                try await group.waitForAll()
            }
        } catch {
            end(3, "\(error)")
        }
    }

    static func open(
        _ kind: String, _ path: String, limit: Int?, isRecorded: Bool
    ) throws(JournalError) -> any Journal {
        if kind != "sqlite" {
            var options = FileJournal.Options()
            options.usesDirectWrites = kind == "file"
            options.segmentBytes = isRecorded ? 128 << 10 : 1 << 20
            options.maximumBytes = limit
            return try FileJournal(path: path, options: options)
        }
        if let limit { limitFiles(to: UInt(limit)) }
        var options = SQLiteJournal.Options()
        if isRecorded {
            options.checkpointBytes = 32 << 10
            options.logLimitBytes = 128 << 10
        }
        return try SQLiteJournal(path: path, options: options)
    }

    /// Never ends by itself.
    static func submit(to sequencer: Sequencer, run: UInt32, task: UInt32) async throws {
        var counter: UInt64 = 0
        while true {
            counter += 1
            var writer = ByteWriter()
            writer.write(run)
            writer.write(task)
            writer.write(counter)
            writer.write(UInt32(0))
            guard let address = EVMAddress(writer.bytes) else { return }
            switch try await sequencer.submit(.registerParty(address: address)) {
            case .success: say("+ \(address.hex)\n")
            case .failure(let rejection): say("! \(rejection)\n")
            }
            // Rejected commands among the accepted ones: they must leave no trace.
            if counter % 3 == 0 {
                let unknown = PartyID(UInt64.max)
                if case .success = try await sequencer.submit(.nameParty(unknown, name: "x")) {
                    say("! accepted\n")
                }
            }
        }
    }

    /// One write for one line: what the parent reads whole was acknowledged.
    static func say(_ line: String) {
        let bytes = Array(line.utf8)
        _ = unsafe write(1, bytes, bytes.count)
    }

    static func limitFiles(to bytes: UInt) {
        signal(SIGXFSZ, SIG_IGN)
        var limit = rlimit(rlim_cur: bytes, rlim_max: bytes)
        _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
    }

    static func end(_ code: Int32, _ words: String) {
        FileHandle.standardError.write(Data((words + "\n").utf8))
        _exit(code)
    }
}
