/* Eight characters of an id; the whole on hover, copied by the button. */
import { href, linkTo } from '../app/router';
import { CopyButton } from './copy';

export const taskLink = (uuid: string) => href(linkTo(`/tasks/${encodeURIComponent(uuid)}`));

export function Uuid({ uuid, link = true }: { uuid: string; link?: boolean }) {
  const short = uuid.slice(0, 8);
  return (
    <span class="uuid mono" title={uuid}>
      {link ? <a href={taskLink(uuid)}>{short}</a> : short}
      <CopyButton text={uuid} label="Copy the id" />
    </span>
  );
}
