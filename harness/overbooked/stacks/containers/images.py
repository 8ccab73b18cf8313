"""The images of a containers stack by part; missing images are pulled."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from docker.errors import DockerException, ImageNotFound

from overbooked.descriptor import Descriptor, Service
from overbooked.errors import ConfigError, UsageError
from overbooked.stacks.base.settings import StackSettings
from overbooked.stacks.containers.cleanup import engine, reason


@dataclass(frozen=True, slots=True)
class ImageNames:
    """The image of each part; empty if the system does not have the part."""

    postgres: str
    redis: str
    toxiproxy: str
    app: str
    payments: str

    def as_versions(self) -> dict[str, str]:
        """The images, for a scorecard's list of versions."""
        return {f"image {part}": name for part, name in asdict(self).items() if name}


def resolve_images(descriptor: Descriptor, settings: StackSettings) -> ImageNames:
    """Ensure that every image is available locally; pull the missing ones.

    Raises:
        UsageError: no Docker engine answers, or an image cannot be pulled.
        ConfigError: the descriptor names no image for a service.
    """
    images = settings.images
    names = ImageNames(
        postgres=images.postgres if descriptor.database else "",
        redis=images.redis if descriptor.redis else "",
        toxiproxy=images.toxiproxy,
        app=_named(descriptor.app, settings),
        payments=_named(descriptor.service("payments"), settings),
    )
    with engine() as client:
        for name in dict.fromkeys(name for name in asdict(names).values() if name):
            try:
                try:
                    client.images.get(name)
                except ImageNotFound:
                    client.images.pull(name)
            except (DockerException, OSError) as error:
                raise UsageError(
                    f"the image {name} is not local and cannot be pulled ({reason(error)}); build the images "
                    "with ci/build-images.sh and select them with --config ci/images.toml, or use "
                    "--stack embedded"
                ) from error
    return names


def _named(service: Service | None, settings: StackSettings) -> str:
    if service is None:
        return ""
    if not service.image:
        raise ConfigError(
            f"the descriptor's [[service]] {service.name} names no image; give it one as `image`, "
            "or use --stack embedded"
        )
    return settings.images.named(service.image)
