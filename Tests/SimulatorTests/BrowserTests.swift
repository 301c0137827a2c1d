import Foundation
import Simulator
import Testing

/// A page in a real browser: headless Chromium (`make browser`) lays it out and tells what it sees.
@Suite(.enabled(if: Browser.program != nil), .serialized)
struct BrowserTests {
    private func pages() throws -> [(name: String, plots: Int, text: String)] {
        var map = StudyFixture(
            axes: [("audit_rate", [0, 10, 50, 100, 400]), ("slash_part", [0, 250, 500])],
            metric: "pool_tokens", steps: 30, replicates: 2)
        map.more = ",\"title\":\"Audits and slashing\",\"question\":\"Where does it stop to pay?\""
        var mapFiles = try map.files()
        mapFiles.line = "audit_rate,slash_part\n0.01,0.5\n0.05,0.25\n0.4,0\n"
        mapFiles.distribution = "group,value\na,1\na,4\nb,2\nb,2\n"
        let line = StudyFixture(
            axes: [("bond", [100_000, 150_000, 200_000, 1_000_000, 10_000_000, 1_000_000_000])],
            metric: "demand", steps: 30, replicates: 2)
        return try [("map", mapFiles), ("line", line.files())].map { name, files in
            let report = try StudyReport(files)
            return (name, report.plots.count, report.page(folder: "a/folder/with/a/long/name"))
        }
    }

    /// Asks each drawing's texts and the page itself whether they stay within.
    private static let question = """
        <script>
        window.addEventListener('load', () => {
          document.querySelectorAll('details').forEach(d => d.open = true);
          const faults = [];
          const svgs = [...document.querySelectorAll('svg.plot')];
          for (const svg of svgs) {
            const box = svg.viewBox.baseVal, name = svg.getAttribute('aria-label');
            if (svg.getBoundingClientRect().height < 50) faults.push(name + ' is flat');
            if (!svg.querySelector('path, rect, circle')) faults.push(name + ' is empty');
            const texts = [...svg.querySelectorAll('text')].map(t => [t, t.getBBox()]);
            for (const [t, b] of texts) {
              if (t.getAttribute('transform')) continue;
              if (b.x < -0.5 || b.y < -0.5 || b.x + b.width > box.width + 0.5
                  || b.y + b.height > box.height + 0.5) faults.push(name + ': ' + t.textContent);
            }
            for (let i = 0; i < texts.length; i++) for (let j = 0; j < i; j++) {
              const [s, a] = texts[i], [t, b] = texts[j];
              if (s.getAttribute('transform') || t.getAttribute('transform')) continue;
              if (a.x + 1 < b.x + b.width && b.x + 1 < a.x + a.width
                  && a.y + 3 < b.y + b.height && b.y + 3 < a.y + a.height)
                faults.push(name + ': ' + s.textContent + ' over ' + t.textContent);
            }
          }
          const root = document.documentElement;
          if (root.scrollWidth > root.clientWidth) faults.push('the page is too wide');
          const out = document.createElement('pre');
          out.id = 'answer';
          out.textContent = JSON.stringify({plots: svgs.length, faults});
          document.body.append(out);
        });
        </script>
        """

    private struct Answer: Decodable {
        let plots: Int
        let faults: [String]
    }

    @Test func everyPlotIsThereAndNothingOverflows() async throws {
        for (page, width) in zip(try pages(), [1_280, 400]) {
            let text = page.text.replacingOccurrences(
                of: "</head>", with: Self.question + "</head>")
            let document = try await Browser.document(text, width: width, shot: page.name)
            let start = try #require(document.range(of: "<pre id=\"answer\">"), "no answer")
            let rest = document[start.upperBound...]
            let json = rest.prefix { $0 != "<" }.replacingOccurrences(of: "&gt;", with: ">")
            let answer = try JSONDecoder().decode(Answer.self, from: Data(json.utf8))
            #expect(answer.plots == page.plots)
            #expect(answer.faults == [], "\(page.name) at \(width)")
        }
    }
}

/// Chromium as a program.
enum Browser {
    /// What CHROMIUM names, or what is on the PATH.
    static let program: String? = {
        let environment = ProcessInfo.processInfo.environment
        let folders = (environment["PATH"] ?? "").split(separator: ":").map(String.init)
        return ([environment["CHROMIUM"]].compactMap { $0 } + folders.map { "\($0)/chromium" })
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }()

    /// The document after it was laid out and its scripts ran. With EXCHEQUER_SHOTS a picture of it
    /// goes to that folder.
    static func document(_ page: String, width: Int, shot: String) async throws -> String {
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("exchequer-browser-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent("page.html")
        try page.write(to: file, atomically: true, encoding: .utf8)
        if let shots = ProcessInfo.processInfo.environment["EXCHEQUER_SHOTS"] {
            _ = try run(
                ["--window-size=\(width),3000", "--screenshot=\(shots)/\(shot)-\(width).png"],
                file, folder)
        }
        return try run(["--window-size=\(width),1000", "--dump-dom"], file, folder)
    }

    private static func run(_ arguments: [String], _ file: URL, _ folder: URL) throws -> String {
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(fileURLWithPath: program ?? "")
        process.arguments =
            ["--headless", "--disable-gpu", "--no-sandbox", "--hide-scrollbars"]
            + ["--user-data-dir=\(folder.path)/profile"] + arguments + [file.absoluteString]
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return String(decoding: data, as: UTF8.self)
    }
}
