import ArgumentParser
import Foundation
import Simulator

/// What the commands of `exchequer simulate` that work on files share.
enum Simulate {
    /// Runs `body`; a fault of a file is said and ends with the code of a configuration.
    static func faults<Value>(_ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch let fault as ScenarioFault {
            Console.say("\(fault)")
        } catch let error as ScenarioError {
            Console.say(error.reason)
        } catch let fault as StudyFault {
            Console.say("\(fault)")
            switch fault.kind {
            case .setting: break
            case .results: throw Exit.checkFailed
            case .disk: throw Exit.disk
            }
        }
        throw Exit.configuration
    }

    /// Prints what a finished study comes to.
    static func put(_ digest: StudyDigest, folder: String, json: Bool) throws {
        if json {
            try Console.put(json: digest)
        } else {
            Console.put("\(digest.runs) runs in \(folder), digest \(digest.digest)")
        }
    }

    /// The folder's manifest and its model.
    static func study(
        _ path: String
    ) throws -> (manifest: StudyManifest, model: any SimulationModel.Type) {
        guard let manifest = try StudyFolder(URL(fileURLWithPath: path)).manifest() else {
            throw StudyFault("\(path) has no manifest.json")
        }
        guard let model = Models.named(manifest.model) else {
            throw StudyFault("the study is of the model \(manifest.model), which is not known")
        }
        return (manifest, model)
    }
}

/// Who made a study: the version, and the commit of the tree that the program lies in.
enum BuildOrigin {
    static var current: (version: String, commit: String) {
        (Exchequer.configuration.version, commit)
    }

    /// From `.git` in the folder of the program or above; `unknown` for a program that was copied.
    private static var commit: String {
        var folder = (Bundle.main.executableURL ?? URL(fileURLWithPath: CommandLine.arguments[0]))
            .resolvingSymlinksInPath().deletingLastPathComponent()
        for _ in 0..<8 {
            let git = folder.appendingPathComponent(".git")
            if let head = text(git.appendingPathComponent("HEAD")) {
                guard head.hasPrefix("ref: ") else { return head }
                let name = String(head.dropFirst(5))
                return text(git.appendingPathComponent(name)) ?? packed(git, name) ?? "unknown"
            }
            folder.deleteLastPathComponent()
        }
        return "unknown"
    }

    private static func packed(_ git: URL, _ name: String) -> String? {
        let lines = text(git.appendingPathComponent("packed-refs"))?.split(separator: "\n") ?? []
        return lines.first { $0.hasSuffix(" " + name) }.map { String($0.prefix { $0 != " " }) }
    }

    private static func text(_ url: URL) -> String? {
        (try? String(contentsOf: url, encoding: .utf8))?
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
