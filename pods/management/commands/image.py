"""`manage.py image`: build, list, disable and enable images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Count

from accounts.actor import system
from mcp.commands import Options, VerbCommand, words
from pods.images.builder import build
from pods.images.recipe import slugs
from pods.models import Image
from pods.services.edit_image import edit_image
from pods.services.images import find_any_image, register_image, set_image_state

WIDTH = 24


class Command(VerbCommand):
    """See the sub-commands' help."""

    help = "Images that guests are made from."

    def add_verbs(self) -> None:
        """See VerbCommand."""
        make = self.verb("build", self._build, "build an image (as root) and register it; a no-op if its recipe has not changed")
        make.add_argument("slug", help=f"one of {', '.join(slugs())}")
        make.add_argument("--force", action="store_true", help="build a new version all the same")
        self.verb("list", self._list, "registered images", shows=True)
        edit = self.verb("edit", self._edit, "say what a host must have to run it")
        edit.add_argument("image", help="SLUG (its newest version) or SLUG@VERSION")
        edit.add_argument("--require", required=True, metavar="WORD,WORD", help="all traits that it needs; '' for none")
        for verb, text in (("disable", "make nothing new from it"), ("enable", "undo disable")):
            self.verb(verb, self._set_state, text).add_argument("image", help="SLUG (its newest version) or SLUG@VERSION")

    def _build(self, options: Options) -> None:
        bar = Bar(self)
        built = build(options["slug"], Path(settings.IMAGE_DIR), bar.tell, force=options["force"])
        bar.end()
        image = register_image(actor=system("command line"), built=built)
        self.say(f"{image} is registered: {image.size_bytes / 2**20:.1f} MiB, sha256 {image.sha256[:16]}…")

    def _list(self, options: Options) -> None:
        rows = [_line(image) for image in Image.objects.annotate(n_copies=Count("copies"))]
        self.show(options, rows, f"There is no image yet: ./manage.py image build {slugs()[0]}")

    def _edit(self, options: Options) -> None:
        found = find_any_image(options["image"])
        image = edit_image(actor=system("command line"), image=found, required_traits=words(options["require"]))
        self.say(f"{image} needs {', '.join(image.required_traits) or 'no traits'} of its hosts.")

    def _set_state(self, options: Options) -> None:
        state = Image.State.DISABLED if options["verb"] == "disable" else Image.State.ACTIVE
        image = set_image_state(actor=system("command line"), image=find_any_image(options["image"]), state=state)
        self.say(f"{image} is {image.state}.")


class Bar:
    """A progress bar on a terminal; one line a stage elsewhere."""

    def __init__(self, command: VerbCommand) -> None:
        self._command = command
        self._live = bool(command.stdout.isatty())
        self._said = ""

    def tell(self, sentence: str, share: float) -> None:
        """A sentence and a share 0..1."""
        if self._live:
            done = round(share * WIDTH)
            self._command.stdout.write(f"\r\033[K[{'#' * done}{'.' * (WIDTH - done)}] {sentence}", ending="")
            self._command.stdout.flush()
        elif sentence != self._said:
            self._command.say(sentence)
        self._said = sentence

    def end(self) -> None:
        """Leave the bar's line."""
        if self._live:
            self._command.say()


def _line(image: Any) -> dict[str, Any]:
    return {
        "image": image.slug,
        "version": image.version,
        "state": image.state,
        "os": image.os,
        "size_mib": round(image.size_bytes / 2**20, 1),
        "min_memory_mib": image.min_memory_mib,
        "copies": image.n_copies,
        "registered": image.created_at,
    }
