"""Follows every face through a video, so that no frame is without a place for it.

1. A `Lookout` looks at every k-th frame, and at the first and last of every scene.
2. From frame to frame faces are followed by how their pixels move (`following`); where that cannot be seen,
   they go on as before.
3. What is found is joined to the tracks there are (`association`). Between two sightings a face is followed
   from both ends. A face that is new is followed back to where it came from, one that is lost goes on: for
   `linger` frames each, unless it leaves the picture or the scene ends.
4. Where a face was followed one way alone, landmarks are looked for there. If they agree, its place is sure;
   else `slack` says how far off it may be.
5. Landmarks are steadied (`steady`).

So the places of a frame are known `linger` + `NEIGHBOURS` frames later, and no more frames are held.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import cv2
import numpy as np

from veilmesh_ml.face import Box
from veilmesh_ml.image import RgbImage
from veilmesh_ml.video.association import associate
from veilmesh_ml.video.cuts import Thumbnail
from veilmesh_ml.video.following import Grey, Points, follow
from veilmesh_ml.video.lookout import Looks
from veilmesh_ml.video.place import Place
from veilmesh_ml.video.steady import NEIGHBOURS, steadied

EVERY: Final = 3  # frames from look to look
LINGER: Final = 25  # frames that a face is kept unseen
VELOCITY_KEPT: Final = 0.8  # a frame: what is not seen to move comes to rest
LOOKED_FOR: Final = 0.5  # widths: what may be farther off is not looked for
AGREES_WITHIN: Final = 0.08  # widths of the face: landmarks found there and followed to there
# times: a face at the picture's border that is so much larger at the next look had been seen in part alone
SEEN_IN_PART: Final = 1.3
AT_BORDER: Final = 0.1  # widths of the box
HIDDEN_BY: Final = 0.3  # overlap: an unsure place beneath a sure one of another track is that face's


@dataclass(slots=True, eq=False)
class Track:
    """One face, as long as it can be followed.

    Attributes:
        number: from 0 in the order of their first sightings.
        first_seen, last_seen: frames in which a detector found it.
        sightings: how many such frames.
        places: by frame; those that were taken are gone.
        velocity: of its centre, pixels a frame.
        ended: it is not followed any more.
    """

    number: int
    first_seen: int
    last_seen: int
    sightings: int = 1
    places: dict[int, Place] = field(default_factory=dict, repr=False)
    velocity: Points = field(default_factory=lambda: np.zeros(2), repr=False)
    ended: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """A frame as it is held."""

    grey: Grey
    small: Thumbnail
    begins: bool  # a scene


_NOT_KEPT: Final = frozenset({"_looks", "_views", "_picture"})


class Tracker:
    """Takes a video's pictures one by one, and tells where its faces are."""

    def __init__(self, looks: Looks, *, every: int = EVERY, linger: int = LINGER) -> None:
        """Looks: every so many frames. Linger: how long a face is kept unseen, in frames."""
        self._looks = looks
        self._every, self._linger = every, linger
        self._views: dict[int, _View] = {}
        self._tracks: list[Track] = []
        self._made = 0
        self._newest = -1
        self._picture: RgbImage | None = None  # the newest, until it was looked at
        self._taken = -1

    @property
    def delay(self) -> int:
        """How many frames later a frame's places are known."""
        return self._linger + NEIGHBOURS

    def add(self, picture: RgbImage) -> None:
        """Take the next picture, uint8 (height, width, 3) RGB."""
        grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        small = Thumbnail.of(grey)
        before = self._views.get(self._newest)
        cut = before is not None and small.begins_after(before.small)
        if cut:
            self._look()
        self._newest += 1
        self._views[self._newest] = _View(grey, small, cut or before is None)
        if before is not None:
            self._go_on(before.grey, grey, cut=cut)
        self._picture = picture
        if self._newest % self._every == 0 or cut:
            self._look()

    def end(self) -> None:
        """Say that there are no more pictures."""
        self._look()

    @property
    def numbers(self) -> list[int]:
        """The tracks of which places may still be taken."""
        return [track.number for track in self._tracks]

    def state(self) -> dict[str, Any]:
        """Return all that it knows but the pictures, for `resume`: plain values, tracks and their places."""
        known = {name: value for name, value in vars(self).items() if name not in _NOT_KEPT}
        begins = [number for number, view in self._views.items() if view.begins]
        return {**known, "begins": begins, "looked": self._picture is None}

    def resume(self, state: Mapping[str, Any], pictures: Mapping[int, RgbImage]) -> None:
        """Know again what was known.

        Args:
            state: of a tracker with the same settings.
            pictures: the frames from the last that was taken to the newest, by their numbers.
        """
        begins, looked = set(state["begins"]), state["looked"]
        vars(self).update({name: value for name, value in state.items() if name not in {"begins", "looked"}})
        for number, picture in pictures.items():
            grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
            self._views[number] = _View(grey, Thumbnail.of(grey), number in begins)
        self._picture = None if looked else pictures[self._newest]

    def take(self) -> list[tuple[Track, Place]]:
        """Return the tracks of the next frame and where they are, sure places first; and forget that frame.

        Not before its delay is over, or the video.
        """
        self._taken += 1
        now = self._taken
        for number in range(now + NEIGHBOURS if now else 0, min(now + NEIGHBOURS, self._newest) + 1):
            self._make_sure(number)
        found = [(track, self._steady(track, now)) for track in self._tracks if now in track.places]
        sure = [place for _, place in found if not place.slack]
        shown = [
            (track, place)
            for track, place in found
            if not place.slack or all(place.box.overlap(other.box) < HIDDEN_BY for other in sure)
        ]
        self._forget(now)
        return sorted(shown, key=lambda each: each[1].slack > 0)

    def sightings(self, number: int) -> dict[int, Place]:
        """Return where the detector found a track, by frame, beyond the frames that were taken."""
        return {
            frame: place
            for track in self._tracks
            if track.number == number
            for frame, place in track.places.items()
            if place.seen and frame > self._taken
        }

    def _go_on(self, before: Grey, after: Grey, *, cut: bool) -> None:
        """Follow every track to the newest frame."""
        for track in self._live():
            place = track.places[self._newest - 1]
            motion = follow(before, after, place.landmarks)
            if motion is None and cut:
                track.ended = True
                continue
            if motion is None:
                track.velocity = track.velocity * VELOCITY_KEPT
                gone_on = place.coasted(track.velocity)
            else:
                gone_on = place.followed(motion)
                track.velocity = gone_on.centre - place.centre
            if self._newest - track.last_seen > self._linger or _is_outside(gone_on, after):
                track.ended = True
            else:
                track.places[self._newest] = gone_on

    def _look(self) -> None:
        """Look at the newest picture, unless that was done: what is faint only goes on with a track."""
        if self._picture is None:
            return
        looked = self._looks.look(self._picture)
        self._picture = None
        tracks = self._live()
        known = self._known([place.box for place in looked.sure], tracks)
        for index, place in enumerate(looked.sure):
            if index in known:
                self._fill(known[index], place)
            else:
                self._begin(place)
        seen = {track.number for track in known.values()}
        rest = [track for track in tracks if track.number not in seen]
        for index, track in self._known([sign.box for sign in looked.faint], rest).items():
            self._fill(track, looked.faint[index].place())

    def _known(self, found: Sequence[Box], tracks: Sequence[Track]) -> dict[int, Track]:
        """Return which boxes in the newest frame are which tracks', by their indexes."""
        expected = [track.places[self._newest].box for track in tracks]
        return {index: tracks[own] for index, own in associate(expected, found).items()}

    def _fill(self, track: Track, place: Place) -> None:
        """Enter a sighting, and bring what lies between it and the last one in line with both."""
        now, last = self._newest, track.last_seen
        before = track.places.get(last)
        if before is not None:
            track.velocity = (place.centre - before.centre) / (now - last)
        if before is not None and self._was_seen_in_part(before, place):
            self._make_whole(track, self._followed_back(place, max(self._taken + 1, now - self._linger)))
        else:
            back = self._followed_back(place, last + 1)
            for number in range(last + 1, now):
                if number in track.places and number in back:
                    share = (number - last) / (now - last)
                    track.places[number] = track.places[number].blended(back[number], share)
        track.places[now] = place
        track.last_seen = now
        track.sightings += 1

    def _was_seen_in_part(self, before: Place, now: Place) -> bool:
        return self._is_at_border(before) and now.size.mean() > SEEN_IN_PART * before.size.mean()

    def _make_whole(self, track: Track, back: Mapping[int, Place]) -> None:
        """Let a face be as large as it turned out to be, back to where it was not at the border."""
        for number, earlier in back.items():  # the latest first
            place = track.places.get(number)
            if place is None or (number <= track.last_seen and not self._is_at_border(place)):
                break
            if place.slack:
                track.places[number] = place.larger(earlier)

    def _is_at_border(self, place: Place) -> bool:
        near = place.box.grown(AT_BORDER)
        return near.within(*self._views[self._newest].grey.shape) != near

    def _begin(self, place: Place) -> None:
        """Begin a track, and follow it back to where the face came from."""
        now = self._newest
        earliest = max(self._taken + 1, now - self._linger)
        places = {
            number: earlier
            for number, earlier in self._followed_back(place, earliest).items()
            # what had not been there at the last look cannot have come unseen from farther back
            if earlier.slack <= LOOKED_FOR or number > now - self._every
        }
        self._tracks.append(Track(self._made, now, now, places={**places, now: place}))
        self._made += 1

    def _followed_back(self, place: Place, earliest: int) -> dict[int, Place]:
        """Return where a face of the newest frame was before, back to where the scene begins."""
        places: dict[int, Place] = {}
        shift = np.zeros(2)
        for number in range(self._newest - 1, earliest - 1, -1):
            later, view = self._views[number + 1], self._views[number]
            motion = follow(later.grey, view.grey, place.landmarks)
            if motion is None and later.begins:
                break
            if motion is None:
                shift = shift * VELOCITY_KEPT
                earlier = place.coasted(shift)
            else:
                earlier = place.followed(motion)
                shift = earlier.centre - place.centre
            if _is_outside(earlier, view.grey):
                break
            places[number] = place = earlier
        return places

    def _make_sure(self, number: int) -> None:
        """Look for landmarks where a face was followed to, and that is not sure; where they agree, it is."""
        for track in self._tracks:
            place = track.places.get(number)
            if place is None or place.seen or not 0 < place.slack <= LOOKED_FOR:
                continue
            found = self._landmarks_at(place, self._views[number].grey)
            if found is None:
                continue
            anew = replace(place, landmarks=found, slack=0.0, outlined=False)
            if anew.distance(place) <= AGREES_WITHIN:
                track.places[number] = anew

    def _landmarks_at(self, place: Place, grey: Grey) -> Points | None:
        box = place.box
        window = box.grown(0.5).within(*grey.shape)
        if not (window.width and window.height):
            return None
        part = cv2.cvtColor(grey[window.top : window.bottom, window.left : window.right], cv2.COLOR_GRAY2RGB)
        marked = box.moved(-window.left, -window.top)
        face = self._looks.face_in(np.asarray(part, dtype=np.uint8), marked)
        return None if face is None else face.moved(window.left, window.top).landmarks.astype(np.float64)

    def _steady(self, track: Track, number: int) -> Place:
        place = track.places[number]
        if place.slack:
            return place
        near = {
            step: track.places[number + step].landmarks
            for step in range(-NEIGHBOURS, NEIGHBOURS + 1)
            if number + step in track.places and not track.places[number + step].slack
        }
        return replace(place, landmarks=steadied(near))

    def _live(self) -> list[Track]:
        return [track for track in self._tracks if not track.ended]

    def _forget(self, taken: int) -> None:
        """Drop what is not needed any more."""
        self._views.pop(taken - 1, None)
        for track in self._tracks:
            track.places.pop(taken - NEIGHBOURS, None)
        self._tracks = [
            track for track in self._tracks if not track.ended or any(n > taken for n in track.places)
        ]


def _is_outside(place: Place, grey: Grey) -> bool:
    """Whether nothing of it is left in the picture."""
    inside = place.box.within(*grey.shape)
    return not (inside.width and inside.height)
