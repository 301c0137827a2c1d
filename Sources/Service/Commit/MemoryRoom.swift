import Foundation

/// How much memory this process has and how much it can still get.
enum MemoryRoom {
    /// Bytes that can be had without pushing anything out: of the machine, or of the control group
    /// if that has fewer. `nil` if the system does not say.
    static var available: Int? {
        [machine, group].compactMap(\.self).min()
    }

    /// Bytes of this process that are in memory; 0 if the system does not say.
    static var used: Int {
        guard let pages = fields("/proc/self/statm").dropFirst().first.flatMap({ Int($0) }) else {
            return 0
        }
        return pages * sysconf(Int32(_SC_PAGESIZE))
    }

    private static var machine: Int? {
        let words = fields("/proc/meminfo")
        guard let place = words.firstIndex(of: "MemAvailable:"), place + 1 < words.count else {
            return nil
        }
        return Int(words[place + 1]).map { $0 * 1_024 }
    }

    /// Of the control group (version 2) that this process sees as its own.
    private static var group: Int? {
        guard let limit = fields("/sys/fs/cgroup/memory.max").first.flatMap({ Int($0) }),
            let used = fields("/sys/fs/cgroup/memory.current").first.flatMap({ Int($0) })
        else { return nil }
        return max(limit - used, 0)
    }

    private static func fields(_ path: String) -> [Substring] {
        let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
        return text.split { $0 == " " || $0 == "\n" || $0 == "\t" }
    }
}
