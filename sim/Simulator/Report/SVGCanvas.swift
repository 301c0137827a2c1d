import Foundation

/// A drawing in SVG that grows element by element. Colours are classes of `PlotStyle`, so that a
/// page and a file of its own show it in light and dark.
struct SVGCanvas {
    let width: Double
    let height: Double
    private var body = ""

    init(width: Double, height: Double) {
        (self.width, self.height) = (width, height)
    }

    enum Anchor: String {
        case start, middle, end
    }

    /// How wide a text of the plots' size is at most, near enough to leave room for it.
    static func width(of text: String, size: Double = 12) -> Double {
        Double(text.count) * size * 0.58
    }

    /// Two decimal places are finer than a screen.
    static func place(_ value: Double) -> String {
        var text = String(format: "%.2f", value)
        while text.hasSuffix("0") { text.removeLast() }
        if text.hasSuffix(".") { text.removeLast() }
        return text == "-0" ? "0" : text
    }

    static func escape(_ text: String) -> String {
        text.replacingOccurrences(of: "&", with: "&amp;")
            .replacingOccurrences(of: "<", with: "&lt;")
            .replacingOccurrences(of: ">", with: "&gt;")
            .replacingOccurrences(of: "\"", with: "&quot;")
    }

    mutating func text(
        _ text: String, _ x: Double, _ y: Double, _ anchor: Anchor = .start,
        style: String = "label", turned: Bool = false
    ) {
        let turn = turned ? " transform=\"rotate(-90 \(Self.place(x)) \(Self.place(y)))\"" : ""
        body += """
            <text class="\(style)" x="\(Self.place(x))" y="\(Self.place(y))" \
            text-anchor="\(anchor.rawValue)"\(turn)>\(Self.escape(text))</text>

            """
    }

    mutating func line(
        _ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, style: String
    ) {
        body += """
            <line class="\(style)" x1="\(Self.place(x1))" y1="\(Self.place(y1))" \
            x2="\(Self.place(x2))" y2="\(Self.place(y2))"/>

            """
    }

    /// A line through points; with `closed` the area within.
    mutating func path(_ points: [(Double, Double)], style: String, closed: Bool = false) {
        guard points.count > 1 else { return }
        let steps = points.map { "\(Self.place($0.0)) \(Self.place($0.1))" }
        let end = closed ? "Z" : ""
        body += "<path class=\"\(style)\" d=\"M\(steps.joined(separator: "L"))\(end)\"/>\n"
    }

    /// `fill` is a colour where no class has it.
    mutating func rectangle(
        _ x: Double, _ y: Double, _ width: Double, _ height: Double, style: String = "",
        fill: String? = nil, tip: String? = nil
    ) {
        let colour = fill.map { " fill=\"\($0)\"" } ?? ""
        let words = tip.map { "<title>\(Self.escape($0))</title>" } ?? ""
        body += """
            <rect class="\(style)" x="\(Self.place(x))" y="\(Self.place(y))" \
            width="\(Self.place(max(0, width)))" height="\(Self.place(max(0, height)))"\
            \(colour)>\(words)</rect>

            """
    }

    mutating func circle(
        _ x: Double, _ y: Double, _ radius: Double, style: String, tip: String? = nil
    ) {
        let words = tip.map { "<title>\(Self.escape($0))</title>" } ?? ""
        body += """
            <circle class="\(style)" cx="\(Self.place(x))" cy="\(Self.place(y))" \
            r="\(Self.place(radius))">\(words)</circle>

            """
    }

    /// The drawing as an element; `title` is read out to those who do not see it.
    func element(title: String) -> String {
        """
        <svg class="plot" xmlns="http://www.w3.org/2000/svg" role="img" \
        viewBox="0 0 \(Self.place(width)) \(Self.place(height))" \
        aria-label="\(Self.escape(title))">
        \(body)</svg>
        """
    }

    /// The drawing as a file of its own, with its colours.
    static func file(_ element: String) -> String {
        let style = "<style>\(PlotStyle.sheet)</style>"
        guard let end = element.firstIndex(of: ">") else { return element }
        var text = element
        text.insert(contentsOf: style, at: text.index(after: end))
        return text + "\n"
    }
}
