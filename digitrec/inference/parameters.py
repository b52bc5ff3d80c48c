"""Tuned numbers of the recogniser, by stage, with units.

Numbers without a figure were set by hand on made-up images and on the development images; what they
do there, ``benchmarks.real_images`` measures.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LookParameters:
    """Where the one digit of an image is looked for: module `locate`.

    Attributes
    ----------
    max_look_side : int
        Most pixels of the side at which a digit is looked for.
    min_look_side : int
        Least pixels of the longer side at which a digit is looked for; smaller images are
        enlarged.
    min_detail_side : int
        Least pixels of the side of what is decoded, from which a small digit is cut.
    max_close_side : int
        Most pixels of the side of the window in which a small digit is looked at again.
    paper_window : float
        Side of the window that the paper is estimated in, over the image's shorter side;
        strokes must be narrower.
    min_line_length : float
        Length of a straight line, over the image's side, from which it is no part of a
        digit.
    min_coarse_side : int
        A digit smaller than this at `max_look_side` is looked at again in detail.
    max_candidates : int
        Heaviest pieces that are tried as parts of a digit; in noise there are thousands.
    max_members : int
        Pieces of one digit from which no more are looked for; a digit has at most 12.
    crop_views : tuple of pairs of float
        Shares of a crop's width and height that its views leave out at either end.
    min_other_height : float
        Height of another digit over that of the one that was found.
    smoothing : float
        Standard deviation of the smoothing of an image in doubt, in pixels of the look.
    max_others : int
        Other pieces that are looked at, the largest.
    edge_width : int
        Pixels of the look between ink and what is looked at beside it: a soft edge. So wide is
        what is looked at, too.
    max_area_edge : float
        Most of what is beside a digit that has the colour of its ink. Of 240 real digits half in
        shadow 218 are recognised at 0.1, 229 at 0.25 and 232 at 0.35; of 350 plain shapes 14, 16
        and 21 are taken for digits.
    max_border_contact : float
        Most of each border of the image it touches that a digit covers, over its longer side; of
        613 real digits none is refused for it.
    min_corner_share : float
        Least share of the image's width and height that a digit in a corner takes; less is the
        paper beside an area. Of 1,920 rounded rectangles 32 were read as ones without it.
    min_alike : float
        Darkness from which it has, over that of the darkest ink of the digit beside it.
    """

    max_look_side: int = 256
    min_look_side: int = 40
    min_detail_side: int = 640
    max_close_side: int = 180
    paper_window: float = 0.3
    min_line_length: float = 0.97
    min_coarse_side: int = 48
    max_candidates: int = 300
    max_members: int = 40
    crop_views: tuple[tuple[float, float], ...] = (
        (0.0, 0.0),
        (0.06, 0.0),
        (0.0, 0.06),
        (0.08, 0.08),
    )
    min_other_height: float = 0.6
    smoothing: float = 1.4
    max_others: int = 4
    edge_width: int = 2
    max_area_edge: float = 0.25
    max_border_contact: float = 0.8
    min_corner_share: float = 0.2
    min_alike: float = 0.65


LOOK = LookParameters()


@dataclass(frozen=True)
class PageParameters:
    """Where the digits of a page are looked for: modules `page`, `grouping` and `lines`.

    Attributes
    ----------
    max_page_side : int
        Longer side at which a page is read.
    max_cuts : int
        Wide pieces that are tried to be cut; more are no digits.
    max_cut_width : float
        Wider pieces, in heights of a digit, are not cut: they are words or drawings.
    min_frame_content : float
        Height of a digit over that of a frame around the whole page.
    min_rings : int
        Pieces at one border from which they are a binder's rings or its holes.
    max_ring_gap : float
        Distance of such pieces from the border, over the page's width.
    min_cell_digits : int
        Digits in rows of boxes from which what stands outside of boxes is left out.
    min_clear : float
        Confidence from which a piece of ink is clearly a digit.
    min_clear_share : float
        Share of clear digits among all pieces of a page from which those outside of boxes
        are read.
    max_bar_distance : float
        Distance of two pieces that stand on each other, over the height of pieces.
    min_bar_share : float
        Share of such pieces from which a page is looked at as a display of seven bars a digit:
        8 of 124 made-up pages, among them all 3 displays.
    max_bar_gap : float
        Half of the gap between bars that meet at a corner, over their thickness. Of 6 made-up
        displays all are read with 0.12, 5 with 0.15.
    max_cell_pieces : int
        Pieces of a page from which lines of cells are not looked for, for they are specks.
        28 labelled pages of digits have at most 702; a page of 3000 x 3000 pixels with 8 %
        of specks of 2 pixels takes 1.8 instead of 3.3 s.
    min_turn_degrees : float
        Degrees of slope from which the page itself is turned, not only its rows.
    max_page_pieces : int
        Pieces of ink that are read, the largest; a page of noise has thousands.
    max_digit_sized : int
        Pieces a quarter as tall as a digit, or taller, above which a page is print or
        specks and nothing is read. 28 labelled pages of digits have at most 702 pieces of
        any size; 44 digits were read on a page of 9,386 specks, half of them with a
        confidence above 0.8.
    max_slope : float
        Greatest slope of rows, pixels down per pixel to the right: that of 30 degrees.
    max_overlap : float
        Width in which neighbours of a row may overlap, in heights of a digit.
    max_gap : float
        Gap between neighbours of a row whose digits stand at different heights, in their
        heights.
    min_shared_height : float
        Height that neighbours of such a row have in common, in heights of a digit; a gap if
        below 0.
    """

    max_page_side: int = 1600
    max_cuts: int = 20
    max_cut_width: float = 5.0
    min_frame_content: float = 0.03
    min_rings: int = 3
    max_ring_gap: float = 0.004
    min_cell_digits: int = 3
    min_clear: float = 0.9
    min_clear_share: float = 0.7
    max_bar_distance: float = 0.25
    min_bar_share: float = 0.4
    max_bar_gap: float = 0.12
    max_cell_pieces: int = 5_000
    min_turn_degrees: float = 4.0
    max_page_pieces: int = 200
    max_digit_sized: int = 1_000
    max_slope: float = 0.57735
    max_overlap: float = 0.1
    max_gap: float = 4.5
    min_shared_height: float = -0.15


PAGE = PageParameters()


@dataclass(frozen=True)
class InkParameters:
    """What is ink and what is paper: module `ink`. Strengths are 0-255.

    Attributes
    ----------
    min_contrast : float
        Ink weaker than this (of 255) is taken for texture of the paper.
    min_signal_to_noise : float
        Least strength of the ink over the standard deviation of the texture of the paper.
    min_grain : float
        Noise over threshold from which the ink is smoothed before it is thresholded.
    min_paper : int
        Darkest channel of the paper from which it can show ink of every colour.
    max_gain : float
        Most by which ink in the dark is strengthened.
    polarity_side : int
        Pixels of the longer side at which the polarity is judged.
    polarity_windows : tuple of float
        Windows of the blur in that judgement, over the image's longer side.
    polarity_border : float
        Share of the shorter side that is left out at each border, where frames and seams
        are.
    """

    min_contrast: float = 9.0
    min_signal_to_noise: float = 5.0
    min_grain: float = 0.12
    min_paper: int = 90
    max_gain: float = 2.0
    polarity_side: int = 96
    polarity_windows: tuple[float, ...] = (0.55, 0.35, 0.25)
    polarity_border: float = 0.05


INK = InkParameters()


@dataclass(frozen=True)
class RuledLineParameters:
    """Which ink is ruled lines: module `ruled_lines`.

    Attributes
    ----------
    max_slope : float
        Greatest slope of a line, about 8 degrees off level or upright.
    max_slopes : int
        Slopes that are looked for in turn: in a photograph parallel lines are so no more.
    max_thickness : float
        Greatest thickness of a slanted or shorter line over its length; strokes are
        thicker.
    min_thin_length : float
        Length of a line that is thin over that of any line.
    max_sample : int
        Pixels of ink, or pieces, that are looked at for the slope of lines; bounds the
        time.
    min_pale_pieces : int
        Straight pieces from which a page has ruled lines.
    min_pale_aspect : float
        Length of a fragment of a ruled line over its width.
    max_pale_strength : float
        Mean ink strength of such a fragment over that of what is not straight.
    min_covered : float
        Share of the page's side that the parts of a broken line cover together.
    max_broken_aspect : float
        Thickness of a part over its length, unless it is thinner than
        `max_broken_thickness`.
    max_broken_thickness : float
        Thickness of short parts, over the page's side.
    max_candidates : int
        Bands that are looked at, the fullest first.
    broken_band : float
        Height of the band that the parts of a line lie in, over the page's side.
    """

    max_slope: float = 0.14
    max_slopes: int = 4
    max_thickness: float = 0.025
    min_thin_length: float = 0.85
    max_sample: int = 4000
    min_pale_pieces: int = 6
    min_pale_aspect: float = 3.5
    max_pale_strength: float = 0.75
    min_covered: float = 0.55
    max_broken_aspect: float = 0.2
    max_broken_thickness: float = 0.004
    max_candidates: int = 2000
    broken_band: float = 0.004


RULED_LINE = RuledLineParameters()


@dataclass(frozen=True)
class FrameParameters:
    """Which ink is a frame around other ink: module `components`.

    Attributes
    ----------
    min_content : float
        Least height of what a frame surrounds, over the frame's.
    max_parallelogram : float
        Between the 12 of a parallelogram and the 12.57 of an ellipse.
    max_ellipse : float
        The same above the 12.57 of an ellipse, for what surrounds something large.
    min_round_content : float
        Least height of what a circle or an ellipse surrounds, over its own; a dotted zero's
        is less.
    """

    min_content: float = 0.2
    max_parallelogram: float = 12.3
    max_ellipse: float = 12.8
    min_round_content: float = 0.4


FRAME = FrameParameters()


@dataclass(frozen=True)
class BorderParameters:
    """What is a plain border of an image: module `border`.

    Attributes
    ----------
    max_depth : float
        Most of the image's side that a border takes at one end.
    tolerance : int
        Most by which a channel of a border's pixel is off its usual value.
    min_plain : float
        Least share of a border's row that has its colour.
    min_step : int
        Least step in some channel where a border ends; a gradient of the light has none.
    max_ended : float
        Share of a row of its colour below which a border has ended.
    max_inside : float
        Greatest share of the inside that has a border's colour, unless the border goes all
        around.
    max_borders : int
        Borders within each other: paper, a frame on it, and its blurred edge.
    min_side : int
        Pixels of the shorter side below which no border is looked for.
    min_content : int
        Least range of grey levels inside a border, 0–255; with less, the border may be all
        there is.
    """

    max_depth: float = 0.4
    tolerance: int = 16
    min_plain: float = 0.97
    min_step: int = 24
    max_ended: float = 0.5
    max_inside: float = 0.3
    max_borders: int = 3
    min_side: int = 12
    min_content: int = 20


BORDER = BorderParameters()


@dataclass(frozen=True)
class CutParameters:
    """Where touching digits are cut: module `splitting`.

    Attributes
    ----------
    max_seams : int
        Cuts that are tried in one piece.
    min_width : float
        Least width of a part, in heights of a digit.
    max_width : float
        Greatest width of a part, in heights of a digit.
    min_good_share : float
        Share of the parts that must be good digits, else the piece is left whole: it is a
        word.
    cut_cost : float
        Taken off the mean log-confidence for each cut, so that none is made without need.
    """

    max_seams: int = 9
    min_width: float = 0.12
    max_width: float = 1.25
    min_good_share: float = 0.7
    cut_cost: float = 0.08


CUT = CutParameters()


@dataclass(frozen=True)
class DecisionParameters:
    """What is a digit, and what is looked at again: modules `recognizer` and `rejection`.

    Attributes
    ----------
    first_floor : float
        Added to the probabilities of the first look at a crop before they are multiplied
        with those of the network of crops: neither rules a digit out alone. Of 100 crops of
        registers 94 are right with 0.01, 91 with 0.05 and with 0.15.
    presence_floor : float
        The same for whether there is a digit, where the caller does not know and the shape does
        not speak against it: the first look often rejects one with pieces of its neighbours. Of
        334 composed crops of MNIST's test rows 235 are accepted and right with 0.01, 257 with
        0.07, 260 with 0.1, 266 with 0.2; of 192 of no digit 20, 22, 23 and 23 are accepted, with
        the least log loss from 0.05 to 0.1.
    crop_floor : float
        The same for the probabilities of the network of crops.
    min_other_confidence : float
        Confidence from which another whole piece of ink makes an image one of several
        digits.
    min_other_signs : int
        Whole pieces of ink as tall as the digit, but no digits, that make an image one of
        text.
    min_first_confidence : float
        Confidence from which the first look at an image is believed.
    max_second_clutter : float
        Most other ink, over the digit's, that a second look may leave in sight.
    max_rejected_pieces : int
        Pieces of ink from which a page without digits is not looked at again.
    min_second_confidence : float
        Confidence that a second look, at other assumptions on the paper, must reach.
    min_box_side : float
        Least length, over the image's side, of lines that a second look leaves out.
    min_smoothed_side : int
        Pixels of the shorter side from which an image in doubt is looked at smoothed.
    min_turned_pieces : int
        Pieces from which a page may be turned: less tell too little.
    max_doubted_likeness : float
        Mean probability that a page's pieces are digits below which it is read turned, too.
    min_likeness_gain : float
        Gain in the mean probability that pieces are digits from which a page is read
        turned, too. Of 20 made-up pages each, upright ones lose at least 0.06, turned ones
        gain 0.09 and more.
    min_turn_gain : float
        Gain in what the page reads like from which it is taken to be turned.
    min_margin : float
        Least lead of the best digit over the next, for models without a class "not a
        digit".
    min_fill : float
        Least longer side of the ink over the image's shorter side; less is a speck.
    max_pieces : int
        Pieces of ink that one digit may be in.
    max_clutter : float
        Most other ink of the image, over that of the digit.
    max_ink_share : float
        Most of its box that a digit fills.
    max_unevenness : float
        Greatest over typical stroke width of one pen.
    max_one_thickness : float
        Greatest stroke width of a one, over its longer side; more is a filled area. Of MNIST's
        first 671 training ones none has more than 0.355.
    max_gap : float
        Greatest gap between the pieces of a one, over its height; more is a dot's distance.
    """

    first_floor: float = 0.01
    presence_floor: float = 0.1
    crop_floor: float = 1e-4
    min_other_confidence: float = 0.9
    min_other_signs: int = 2
    min_first_confidence: float = 0.6
    max_second_clutter: float = 0.5
    max_rejected_pieces: int = 60
    min_second_confidence: float = 0.95
    min_box_side: float = 0.5
    min_smoothed_side: int = 40
    min_turned_pieces: int = 4
    max_doubted_likeness: float = 0.7
    min_likeness_gain: float = 0.05
    min_turn_gain: float = 0.1
    min_margin: float = 0.3
    min_fill: float = 0.03
    max_pieces: int = 12
    max_clutter: float = 6.0
    max_ink_share: float = 0.72
    max_unevenness: float = 3.8
    max_one_thickness: float = 0.36
    max_gap: float = 0.06


DECISION = DecisionParameters()


@dataclass(frozen=True)
class StemParameters:
    """What tells a one with a flag, a seven and a slash apart: module `stems`.

    Of MNIST's 6,265 training sevens 4 meet all of the conditions of a one with a flag.

    Attributes
    ----------
    min_ink : int
        Grey level from which a pixel of a normalised digit is ink, 0-255.
    min_rows : int
        Rows of ink below which nothing is measured.
    top_share : float
        Share of the height, from the top, that holds the flag.
    max_bend : float
        Greatest distance of a straight stroke's middle from a line, over its height.
    max_width : float
        Greatest width of a stroke without a foot, over its height.
    max_flag : float
        Longest flag of a one, over its height; the bar of a seven is longer.
    min_one : float
        Least probability of a one from which its flag is measured.
    """

    min_ink: int = 100
    min_rows: int = 12
    top_share: float = 0.3
    max_bend: float = 0.05
    max_width: float = 0.25
    max_flag: float = 0.195
    min_one: float = 0.01


STEM = StemParameters()


@dataclass(frozen=True)
class NumberParameters:
    """Prior probabilities of the readings of a known number: modules `known_numbers` and `lattice`.

    Attributes
    ----------
    max_pieces : int
        Pieces of a page that are looked at, those most like digits.
    max_cut : int
        Widest pieces that are cut.
    min_cut_width : float
        Width over height from which a piece may be two digits that touch; three from twice
        that.
    cut_prior : float
        Probability that such a piece is two digits; three count once more.
    join_prior : float
        Probability that two pieces beside each other, as wide as one digit, are one.
    max_join_width : float
        Greatest width of two pieces that are joined, in heights of a digit.
    max_join_gap : float
        Greatest gap between them, in heights of a digit.
    max_join_turn : float
        Degrees that a page was turned from which pieces are not joined: boxes are those
        before.
    min_trust : float
        Least probability that what the caller says is so, for a number to be returned.
    shape_factor : float
        What is left of a digit's probability where its shape speaks against it.
    min_digit : float
        Least probability of a digit: a classifier is not that sure.
    min_share : float
        Digits less likely than that, compared with the best of their place, are tried only
        where no other reading meets the constraint.
    min_skip : float
        Least probability that a piece is no digit. Bounds the graph's probabilities too.
    kept_strings : int
        Likeliest strings that are kept at each place for each state of the constraint.
    spare_lengths : int
        Numbers of digits that are tried above and below the likely one, where none is
        known.
    mistaken : float
        Probability that what the caller says of a number is not so, or the number is not
        there. Of 29 strings read with a list of 50 values, 26 are right with the string in
        the list, and 1 is read as another value with it left out; with 1e-3, 27 and 6.
    """

    max_pieces: int = 100
    max_cut: int = 20
    min_cut_width: float = 0.7
    cut_prior: float = 0.1
    join_prior: float = 0.05
    max_join_width: float = 1.2
    max_join_gap: float = 0.2
    max_join_turn: float = 4.0
    min_trust: float = 0.5
    shape_factor: float = 0.1
    min_digit: float = 1e-6
    min_share: float = 1e-5
    min_skip: float = 1e-3
    kept_strings: int = 12
    spare_lengths: int = 3
    mistaken: float = 5e-3


NUMBER = NumberParameters()


@dataclass(frozen=True)
class RowParameters:
    """Which rows of a page are digits, and which pieces of them. Confidences are 0-1.

    Checked on 468 composed rows and sheets and on the labelled images.

    Attributes
    ----------
    min_confidence : float
        Least confidence of a piece of their size among digits. Of made-up rows, letters and
        currency signs beside digits have at most 0.02 (0.09 in words), digits mostly more.
    min_accepted : float
        Share of a row that must be accepted for its other pieces to profit.
    min_pieces : int
        Pieces from which a row is judged by the mean confidence of its best pieces, and is
        looked for words.
    best_share, min_best : float
        Share of the pieces that are these, and their least mean confidence; rows with less are
        words or drawing and left out whole. Of 165 rows of made-up digits 10 % have less than
        0.92, of 123 rows of words 5 % have more than 0.82.
    min_digits : float
        Least share of digits in a shorter row.
    min_height, max_height : float
        Height of a doubtful piece over that of the row's digits; its width is at most the latter.
    min_word_gap, max_letter_gap : float
        Gap between a word and digits, and typical gap between its letters, over the height of
        the row.
    max_letter_height : float
        Height of a small letter over that of the row.
    min_unlike : float
        Share of a word's letters that are small or like no digit.
    min_clear_digits : int
        Other pieces of the row, all digits, from which its words are left out.
    min_bracket_height : float
        Height of two strokes that are brackets, over that of digits; ones of the labelled images
        have at most 1.28.
    min_slash_height : float
        Height of a slash over that of digits.
    min_slash_lean : float
        Least lean of a slash, and of brackets below their tops, columns sideways per row.
    max_slash_flag : float
        Most by which the top of a slash departs from its stroke, over its height.
    min_slash_row : int
        Pieces from which a row may have slashes.
    min_lines : int
        Thin strokes that part the digits of a row, from which they are lines.
    max_line_lean : float
        Greatest lean of such a line.
    max_line_width : float
        Greatest width of such a line, over its height.
    min_row : int
        Digits of the longest row from which a page is not taken for a drawing.
    min_area, min_ones_area : float
        Share of the area of all pieces that those read as digits have, else the page is a drawing;
        the latter where all of them are ones. Of 507 pages of digits 7 have less, none of which
        is read right; of 107 pages without digits on which some were found, 39 have less.
    min_stray_height : float
        Height of a piece that is no digit, over that of its row's digits, from which the row may
        be text.
    min_text_ones, max_text_height : float
        Share of ones, and height over that of the other rows' digits, of what is like digits in a
        row of text beside rows of digits. One of them is enough: of 1,149 rows that are read right
        none is taken for text, of those with nothing right 17.
    min_inked : int
        Digits of a page from which the strength of its ink is known.
    min_contrast : float
        Strength of a row's ink over that of the page's digits, below which it is a speck or a
        shadow. Of 713 rows of digits that were read right one has less than 0.67; of specks read
        as rows 4 have less than 0.4.
    min_bars : int
        Ones from which stripes, bar codes, rulers and bricks are looked for.
    max_bar_residual, bar_share : float
        Share of a bar's squared levels that are not those of an upright rectangle, and share of
        the ones that are bars where all of them are none. Bars have 0.000-0.08; of 128 ones by
        hand, read from pages, 6 % have less than 0.08.
    max_bar_width : float
        Widest over median row of a bar, at a quarter of full ink; ones of 22 fonts have 2.0 and
        more.
    """

    min_confidence: float = 0.05
    min_accepted: float = 0.6
    min_pieces: int = 4
    best_share: float = 0.75
    min_best: float = 0.8
    min_digits: float = 0.5
    min_height: float = 0.6
    max_height: float = 1.5
    min_word_gap: float = 0.5
    max_letter_gap: float = 0.25
    max_letter_height: float = 0.72
    min_unlike: float = 0.4
    min_clear_digits: int = 2
    min_bracket_height: float = 1.3
    min_slash_height: float = 1.17
    min_slash_lean: float = 0.1
    max_slash_flag: float = 0.06
    min_slash_row: int = 6
    min_lines: int = 2
    max_line_lean: float = 0.12
    max_line_width: float = 0.16
    min_row: int = 3
    min_area: float = 0.3
    min_ones_area: float = 0.5
    min_stray_height: float = 0.25
    min_text_ones: float = 0.5
    max_text_height: float = 0.75
    min_inked: int = 3
    min_contrast: float = 0.45
    min_bars: int = 5
    max_bar_residual: float = 0.08
    bar_share: float = 0.75
    max_bar_width: float = 1.7


ROW = RowParameters()


@dataclass(frozen=True)
class CellParameters:
    """What a row of boxes looks like. Checked on made-up forms, ``benchmarks._pages``.

    Attributes
    ----------
    min_side, max_side : float
        Pixels of the shorter, share of the page of the longer side of a cell.
    max_aspect : float
        Longer over shorter side.
    min_filled : float
        Least share of its box that a cell fills, what is written in it counted in; circles fill
        0.79.
    max_unlike : float
        Most by which neighbours' heights and places, and half their widths, differ, over the
        cell's height.
    max_gap : float
        Gap between neighbours, over their width; a cell that ink cuts in two is missing in it.
    min_whole : float
        Least width and height, over the row's median, of a cell that ink does not cut short.
    min_drawn : float
        Least share of each side of a cell along which there is a line.
    line_reach : int
        Pixels on both sides of a cell's border in which that line may lie.
    min_cells : int
        Cells from which they are a row.
    min_written : float
        Least share of the cells of a row that something is written in: on squared paper few are.
    min_height : float
        Least height of what is written, over the cell's.
    min_speck : float
        Least longer side of a piece of a digit, over the cell's height.
    """

    min_side: int = 12
    max_side: float = 0.25
    max_aspect: float = 2.4
    min_filled: float = 0.83
    max_unlike: float = 0.3
    max_gap: float = 1.7
    min_whole: float = 0.88
    min_drawn: float = 0.8
    line_reach: int = 3
    min_cells: int = 3
    min_written: float = 0.6
    min_height: float = 0.33
    min_speck: float = 0.12


CELL = CellParameters()


@dataclass(frozen=True)
class SheetParameters:
    """What a sheet on a table looks like. Checked on made-up photographs, ``benchmarks._pages``.

    Attributes
    ----------
    look_side : int
        Pixels of the longer side at which the sheet is looked for.
    ink_width : int
        Width of the strokes and lines that are closed first, in pixels of that look.
    min_area, max_area : float
        Share of the image that the sheet takes.
    min_step : float
        Least step of the light at its edges, 0-255.
    min_sharpness : float
        Least share of the difference between sheet and table that lies within 4 pixels of the
        edge; a shadow's is less.
    min_quadrilateral, max_quadrilateral : float
        Bounds of the area over the root of the determinant of its pixels' covariance: 10.4 for
        triangles, 12 for parallelograms, 12.6 for ellipses.
    min_filled : float
        Least share of what lies between its pixels, along rows and along columns, that is sheet.
    max_borders : int
        Borders of the image that it may touch; the light side of a shadow touches three.
    """

    look_side: int = 160
    ink_width: int = 7
    min_area: float = 0.15
    max_area: float = 0.93
    min_step: float = 18.0
    min_sharpness: float = 0.6
    min_quadrilateral: float = 11.0
    max_quadrilateral: float = 12.3
    min_filled: float = 0.97
    max_borders: int = 2


SHEET = SheetParameters()
