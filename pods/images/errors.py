"""What building an image may raise."""

from __future__ import annotations

from mcp.errors import ControlPlaneError, NotFound


class NoSuchRecipe(NotFound):
    """No recipe has that slug."""

    code = "image.no_such_recipe"
    title = "There is no recipe for that image"


class RecipeBroken(ControlPlaneError):
    """A recipe file does not say what it must; the text names the key."""

    code = "image.recipe_broken"
    title = "The image's recipe is wrong"


class BuildFailed(ControlPlaneError):
    """A tool that builds images failed; the text ends with what it said."""

    code = "image.build_failed"
    title = "The image could not be built"
