import Foundation

/// A process of one of `Tests/Harness`'s nodes, which ends by itself when the tests are gone.
enum NodeProcess {
    /// Starts one on any free port and reads the line in which it says that it listens.
    static func start<Announcement: Decodable>(
        _ script: String, accounts: Int
    ) async throws -> (process: Process, said: Announcement) {
        let process = Process()
        let output = Pipe()
        process.executableURL = Project.root.appendingPathComponent(".venv/bin/python")
        process.arguments = [
            Project.root.appendingPathComponent("Tests/Harness/\(script)").path, "--port", "0",
            "--accounts", "\(accounts)", "--exit-with-parent",
        ]
        process.standardOutput = output
        try process.run()
        let line = await withCheckedContinuation { continuation in
            Thread {
                var text = Data()
                while !text.contains(0x0A) {
                    let more = output.fileHandleForReading.availableData
                    if more.isEmpty { break }
                    text.append(more)
                }
                continuation.resume(returning: text)
            }.start()
        }
        do {
            return (process, try JSONDecoder().decode(Announcement.self, from: line))
        } catch {
            process.terminate()
            throw error
        }
    }
}
